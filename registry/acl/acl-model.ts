/**
 * Tokens and policies as the store holds them. Secrets stand there as they are: who may write tokens may read them, as
 * in Consul, and whoever reads the store's file has everything else as well.
 */
import * as z from "zod";
import type { Indexes } from "../model.ts";

const policySchema = z.object({
  id: z.string().min(1),
  name: z.string().min(1),
  description: z.string(),
  rules: z.string(),
  datacenters: z.array(z.string()),
});

const tokenSchema = z.object({
  /** The accessor: names the token without giving it away. */
  id: z.string().min(1),
  secret: z.string().min(1),
  description: z.string(),
  /** Ids of policies. */
  policies: z.array(z.string()),
  serviceIdentities: z.array(z.object({ serviceName: z.string(), datacenters: z.array(z.string()) })),
  nodeIdentities: z.array(z.object({ nodeName: z.string(), datacenter: z.string() })),
  local: z.boolean(),
  createdAtMs: z.number(),
});

export type PolicyRecord = z.infer<typeof policySchema>;
export type PolicyEntry = PolicyRecord & Indexes;
export type TokenRecord = z.infer<typeof tokenSchema>;
export type TokenEntry = TokenRecord & Indexes;

export function encodeAcl(record: PolicyRecord | TokenRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record));
}

export function decodePolicy(bytes: Uint8Array): PolicyRecord | undefined {
  return decode(policySchema, bytes);
}

export function decodeToken(bytes: Uint8Array): TokenRecord | undefined {
  return decode(tokenSchema, bytes);
}

function decode<T>(schema: z.ZodType<T>, bytes: Uint8Array): T | undefined {
  try {
    return schema.safeParse(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))).data;
  } catch {
    return undefined;
  }
}

export const managementPolicyId = "00000000-0000-0000-0000-000000000001";
export const readOnlyPolicyId = "00000000-0000-0000-0000-000000000002";
export const anonymousTokenId = "00000000-0000-0000-0000-000000000002";
export const anonymousSecret = "anonymous";

const everything = ["agent", "event", "key", "node", "query", "service", "session"];

function rulesOfAll(access: "read" | "write"): string {
  const named = everything.map((one) => `${one}_prefix "" { policy = "${access}" }\n`);
  return `acl = "${access}"\noperator = "${access}"\n${named.join("")}`;
}

function builtin(id: string, name: string, description: string, access: "read" | "write"): PolicyEntry {
  const indexes = { createIndex: 0, modifyIndex: 0 };
  return { id, name, description, rules: rulesOfAll(access), datacenters: [], ...indexes };
}

/** There without being written; nobody changes them. */
export const builtinPolicies: readonly PolicyEntry[] = [
  builtin(managementPolicyId, "global-management", "A policy that grants unlimited access", "write"),
  builtin(
    readOnlyPolicyId,
    "builtin/global-read-only",
    "A policy that grants unlimited read-only access",
    "read",
  ),
];

/** There until it is written: whoever sends no secret has it. */
export const anonymousToken: TokenEntry = {
  id: anonymousTokenId,
  secret: anonymousSecret,
  description: "Anonymous Token",
  policies: [],
  serviceIdentities: [],
  nodeIdentities: [],
  local: false,
  createdAtMs: 0,
  createIndex: 0,
  modifyIndex: 0,
};

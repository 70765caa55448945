/**
 * One number for what runs on a node, the same at the agent and at the server: keys in any order, revisions left
 * out. Equal numbers let a reconnect and the periodic comparison pass without sending the registrations.
 */
import type { CheckRecord, ServiceRecord } from "../registry/index.ts";
import { addDigest, emptyDigest, itemDigest } from "./digest.ts";

export interface RegistrationRecords {
  readonly services: readonly ServiceRecord[];
  readonly checks: readonly CheckRecord[];
}

export function registrationDigest({ services, checks }: RegistrationRecords): bigint {
  let sum = emptyDigest;
  for (const service of services)
    sum = addDigest(sum, itemDigest(`service/${service.id}`, canonicalJson(service)));
  for (const check of checks) sum = addDigest(sum, itemDigest(`check/${check.id}`, canonicalJson(check)));
  return sum;
}

/** JSON with the keys of every object in order. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

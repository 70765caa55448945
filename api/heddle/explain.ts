/** `/v1/heddle/explain`: why this node's DNS answers a question as it does. */
import * as z from "zod";
import { isIp, parseIp } from "../../addr/index.ts";
import { typeNumber } from "../../dns/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { LocalBackend } from "../fabric-backend.ts";
import { json } from "../route.ts";
import { type Operation, operation } from "./operation.ts";

const ednsDefaultBytes = 1232;

const explainQuery = z.strictObject({
  name: z
    .string()
    .max(1024)
    .transform((name) => (name.endsWith(".") ? name.slice(0, -1) : name))
    .describe("The name that is asked for."),
  type: z
    .string()
    .transform((text, context) => {
      const number = typeNumber(text);
      if (number !== undefined) return number;
      context.addIssue({ code: "custom", message: "expected a record type, as in SRV or TYPE65" });
      return z.NEVER;
    })
    .exactOptional()
    .describe("Its record type; A when absent."),
  client: z
    .string()
    .refine(isIp, "expected an IP address")
    .transform(parseIp)
    .exactOptional()
    .describe("Who asks; 127.0.0.1 when absent."),
  transport: z.enum(["udp", "tcp"]).exactOptional().describe("udp when absent."),
  edns: z
    .string()
    .regex(/^\d{1,5}$/, "expected a number of bytes")
    .transform(Number)
    .refine((bytes) => bytes <= 65_535, "expected at most 65535")
    .exactOptional()
    .describe(`What the client says it takes, in bytes; 0 without EDNS. ${ednsDefaultBytes} when absent.`),
});

const instance = z.strictObject({
  node: z.string(),
  id: z.string(),
  address: z.string(),
  port: z.int(),
  status: z.enum(["passing", "warning", "critical"]),
  verdict: z
    .enum([
      "named",
      "panic",
      "subset",
      "other-tag",
      "other-port",
      "maintenance",
      "node-down",
      "critical",
      "warning",
      "damped",
    ])
    .describe("Why it is in the answer (named, panic) or is not."),
  failing: z.array(z.strictObject({ id: z.string(), name: z.string(), status: z.string() })),
});

const explanation = z.strictObject({
  question: z.strictObject({
    name: z.string(),
    type: z.string(),
    client: z.string(),
    transport: z.string(),
    ednsBytes: z.int(),
  }),
  parsed: z.strictObject({
    dialect: z.string(),
    domain: z.string(),
    kind: z.string(),
    parts: z.record(z.string(), z.string()),
  }),
  lookups: z.array(
    z.strictObject({
      source: z.string(),
      found: z.int().exactOptional(),
      tookMs: z.number(),
      ageMs: z.number().exactOptional(),
    }),
  ),
  staleForMs: z.number().exactOptional(),
  choices: z.array(
    z.strictObject({ instances: z.array(instance), panic: z.boolean(), panicThreshold: z.number() }),
  ),
  path: z.strictObject({
    kind: z.enum(["own", "forwarded", "refused", "failed"]),
    forwards: z.array(z.strictObject({ name: z.string(), tookMs: z.number(), failed: z.boolean() })),
    ready: z.boolean(),
  }),
  ttl: z.strictObject({ seconds: z.int(), reason: z.string() }),
  order: z.string(),
  size: z.strictObject({
    wholeBytes: z.int(),
    limitBytes: z.int(),
    limitReason: z.string(),
    answers: z.int(),
    answersSent: z.int(),
    truncated: z.boolean(),
  }),
  reply: z.strictObject({
    rcode: z.string(),
    outcome: z.enum(["answer", "nodata", "nxdomain", "servfail", "refused", "other"]),
    meaning: z.string(),
    answers: z.array(z.string()),
    authorities: z.array(z.string()),
    additionals: z.array(z.string()),
  }),
});

/** @param local of the process that answers */
export function explainOperation(local: LocalBackend | undefined): Operation {
  return operation({
    id: "explain",
    needs: "agent:read",
    method: "GET",
    path: "/v1/heddle/explain",
    summary: "Why the DNS of this node answers a question as it does.",
    query: explainQuery,
    answers: { 200: { description: "The answer and its reasons.", schema: explanation } },
    handle: async (call, { query }) => {
      if (!local?.explain)
        throw new FabricError("API_NO_AGENT", "explain a name: this process answers no DNS; ask an agent");
      const {
        name,
        type = 1,
        client = parseIp("127.0.0.1"),
        transport = "udp",
        edns = ednsDefaultBytes,
      } = query;
      return json(call, await local.explain({ name, type, client, transport, ednsBytes: edns }));
    },
  });
}

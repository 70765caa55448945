/** The parts of an explanation that are said in words. */
import { type DnsRecord, type Message, rcodeName, rcodes } from "../wire/index.ts";
import type { ExplainedChoice, Explanation } from "./explanation.ts";
import type { Lookup } from "./observed-catalog.ts";
import type { ParsedName } from "./parsed-name.ts";

export interface MeaningFacts {
  readonly typeName: string;
  readonly parsed: ParsedName;
  readonly lookups: readonly Lookup[];
  readonly choices: readonly ExplainedChoice[];
  readonly failure: string | undefined;
  readonly forwarded: boolean;
}

export function outcomeOf({ rcode, answers }: Message): Explanation["reply"]["outcome"] {
  if (rcode === rcodes.NOERROR) return answers.length > 0 ? "answer" : "nodata";
  if (rcode === rcodes.NXDOMAIN) return "nxdomain";
  if (rcode === rcodes.SERVFAIL) return "servfail";
  return rcode === rcodes.REFUSED ? "refused" : "other";
}

export function meaningOf(reply: Message, facts: MeaningFacts): string {
  const by = facts.forwarded ? "; another name server says so" : "";
  switch (outcomeOf(reply)) {
    case "answer":
      return `the name exists and has ${reply.answers.length} records for ${facts.typeName}${by}`;
    case "nodata":
      return `the name exists, but has no ${facts.typeName} record (NODATA)${by}`;
    case "nxdomain":
      return facts.forwarded ? `there is no such name${by}` : `there is no such name: ${whyAbsent(facts)}`;
    case "servfail":
      return `it is not known whether the name exists: ${facts.failure ?? "no name server answered"}`;
    case "refused":
      return "the name is none of ours, and this client may not have names of others asked for";
    case "other":
      return `the query itself is at fault (${rcodeName(reply.rcode)})`;
  }
}

/** Of a name below one of our domains. */
function whyAbsent({ parsed, lookups, choices }: MeaningFacts): string {
  if (lookups.length === 0) return `nothing can be called so (${parsed.dialect}: ${parsed.kind})`;
  const counts = new Map<string, number>();
  for (const { verdict } of choices.flatMap(({ instances }) => instances))
    counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
  if (counts.size > 0) {
    const list = [...counts].map(([verdict, count]) => `${count} ${verdict}`).join(", ");
    return `of the instances none may be named (${list})`;
  }
  const empty = lookups.filter(({ found }) => found === 0).map(({ source }) => source);
  return empty.length > 0
    ? `nothing is known of ${empty.join(", ")}`
    : "what was found does not fit the name";
}

export function ttlReason(reply: Message, parsed: ParsedName, forwarded: boolean, stale: boolean): string {
  if (forwarded) return "what is left of the other name server's TTL";
  if (stale) return "no server can be reached, which bounds it";
  if (reply.answers.length === 0) return "of a negative answer: minimum of the SOA";
  if (parsed.dialect === "skydns")
    return "the smallest of the records in the answer; 300 where one says none";
  if (parsed.kind === "service" || parsed.kind === "task") return "that of the service";
  return parsed.kind === "query" ? "that of the query, else of its service" : "that of nodes";
}

/** Of the first record that a cache would keep. */
export function ttlSeconds({ answers, authorities }: Message): number {
  return Math.min(...(answers.length > 0 ? answers : authorities).map((each) => each.ttlSeconds), 0x7fffffff);
}

/** As in a zone file. */
export function recordText({ name, ttlSeconds: ttl, data }: DnsRecord): string {
  const { kind, ...fields } = data;
  const type = data.kind === "UNKNOWN" ? `TYPE${data.type}` : kind;
  const values = Object.values(fields).map((value: unknown) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
    return Array.isArray(value) ? value.map((each) => JSON.stringify(each)).join(" ") : String(value);
  });
  return `${name}. ${ttl} IN ${type} ${values.join(" ")}`;
}

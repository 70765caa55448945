/**
 * Answers to reverse names: what the catalog knows of the address, and what somebody wrote down for it. Inside of a
 * pool of the fabric every address is ours to deny; outside of them, one that nobody knows is none of ours.
 */
import { type Cidr, cidrContains, familyOf } from "../../../addr/index.ts";
import { parseReverseName, reverseZone } from "../../names/index.ts";
import { type DnsRecord, isPlainName, type Question, rcodes, typeNumbers } from "../../wire/index.ts";
import { type CatalogReader, changeKey, type ReverseTarget } from "../catalog/catalog-reader.ts";
import type { Dialect } from "../dialect.ts";
import { answer, negative, type Resolution, record } from "./resolution.ts";

export interface ReverseFacts {
  readonly catalog: CatalogReader;
  readonly dialects: readonly Dialect[];
  readonly pools: readonly Cidr[];
  /** Of the names of the catalog's things. */
  readonly domain: string;
  readonly ttlSeconds: number;
  readonly soa: (zone: string) => DnsRecord;
}

/** @param labels of the question's name, lower case; undefined when the name is none of ours */
export async function reverseAnswers(
  question: Question,
  labels: readonly string[],
  { catalog, dialects, pools, domain, ttlSeconds, soa }: ReverseFacts,
): Promise<Resolution | undefined> {
  const ip = parseReverseName(labels);
  if (ip === undefined) return undefined;
  const targets = (await catalog.reverse(ip)).map((target) => targetName(target, domain));
  const reads = await Promise.all(dialects.flatMap((each) => each.pointers?.(labels, catalog) ?? []));
  const written = reads.filter(({ names }) => names.length > 0);
  const dependsOn = [changeKey({ kind: "reverse", ip }), ...reads.flatMap((each) => each.dependsOn)];
  const names = new Set([...targets, ...written.flatMap((each) => each.names)]);
  const pool = pools.find((each) => cidrContains(each, ip));
  if (names.size === 0 && pool === undefined) return undefined;
  const zone = pool === undefined ? labels.slice(familyOf(ip) === 4 ? 1 : 16).join(".") : reverseZone(pool);
  if (names.size === 0) return negative(rcodes.NXDOMAIN, soa(zone), dependsOn);
  if (question.type !== typeNumbers.PTR && question.type !== typeNumbers.ANY) {
    return negative(rcodes.NOERROR, soa(zone), dependsOn);
  }
  const ttls = [...(targets.length > 0 ? [ttlSeconds] : []), ...written.map((each) => each.ttlSeconds)];
  const answers = [...names]
    .filter(isPlainName)
    .map((target) => record(question.name, Math.min(...ttls), { kind: "PTR", target }));
  return answer(answers, soa(zone), dependsOn);
}

function targetName(target: ReverseTarget, domain: string): string {
  const kind = target.kind === "container" ? "docker" : target.kind;
  return `${target.name}.${kind}.${target.datacenter}.${domain}`;
}

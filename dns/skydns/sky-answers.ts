/**
 * Records of DNS made of SkyDNS records. Weights are parts of 100 within a priority; a target whose host is an
 * address is named after its key, so that it can be looked up again. All records of an answer have the
 * smallest TTL among them (RFC 2181 section 5.2).
 */
import { skyDnsName } from "../names/index.ts";
import { addressRecord, record, textStrings } from "../resolver/index.ts";
import { type DnsRecord, isPlainName, type Question } from "../wire/index.ts";
import type { SkyRecord } from "./sky-record.ts";

export interface Targets {
  readonly answers: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  /** Targets that are names of their own; their addresses are not known here. */
  readonly named: readonly string[];
}

const defaultWeight = 100;

export function smallestTtl(records: readonly SkyRecord[]): number {
  return Math.min(...records.map(({ ttlSeconds }) => ttlSeconds));
}

export function srvTargets({ name }: Question, records: readonly SkyRecord[]): Targets {
  const sums = new Map<number, number>();
  const weightOf = ({ weight }: SkyRecord) => weight || defaultWeight;
  for (const each of records) sums.set(each.priority, (sums.get(each.priority) ?? 0) + weightOf(each));
  return targets(records, (each, target, ttlSeconds) => {
    const part = Math.floor((100 * weightOf(each)) / (sums.get(each.priority) ?? 1));
    const { priority, port } = each;
    return record(name, ttlSeconds, { kind: "SRV", priority, weight: Math.max(1, part), port, target });
  });
}

export function mxTargets({ name }: Question, records: readonly SkyRecord[]): Targets {
  return targets(
    records.filter(({ mail }) => mail),
    ({ priority }, exchange, ttlSeconds) =>
      record(name, ttlSeconds, { kind: "MX", preference: priority, exchange }),
  );
}

export function nsTargets({ name }: Question, records: readonly SkyRecord[]): Targets {
  return targets(
    records.filter(({ ip }) => ip !== undefined),
    (_each, target, ttlSeconds) => record(name, ttlSeconds, { kind: "NS", target }),
  );
}

export function textRecords({ name }: Question, records: readonly SkyRecord[]): DnsRecord[] {
  const texts = new Set(records.map(({ text }) => text).filter((text) => text !== ""));
  const ttlSeconds = smallestTtl(records);
  return [...texts].map((text) => record(name, ttlSeconds, { kind: "TXT", texts: textStrings(text) }));
}

function targets(
  records: readonly SkyRecord[],
  make: (record: SkyRecord, target: string, ttlSeconds: number) => DnsRecord,
): Targets {
  const answers = new Map<string, DnsRecord>();
  const additionals = new Map<string, DnsRecord>();
  const named = new Set<string>();
  const ttlSeconds = smallestTtl(records);
  for (const each of records) {
    if (each.host === "") continue;
    const target = each.ip === undefined ? hostTarget(each) : skyDnsName(each.key, each.targetStrip);
    if (target === undefined) continue;
    answers.set(`${target}:${each.port}`, make(each, target, ttlSeconds));
    if (each.ip === undefined) named.add(target);
    else additionals.set(`${target} ${each.ip}`, addressRecord(target, ttlSeconds, each.ip));
  }
  return { answers: [...answers.values()], additionals: [...additionals.values()], named: [...named] };
}

function hostTarget({ host, targetStrip }: SkyRecord): string | undefined {
  const labels = host.split(".");
  const target = targetStrip < labels.length ? labels.slice(targetStrip).join(".") : host;
  return isPlainName(target) ? target : undefined;
}

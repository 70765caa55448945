/**
 * A SkyDNS record: the JSON value of a key (SkyDNS's README, "Service Announcements"; CoreDNS's etcd plugin). A
 * value that is no such record is nobody's answer, and does not spoil those of the others.
 */
import { type Ip, isIp, parseIp } from "../../addr/index.ts";

export interface SkyRecord {
  readonly key: string;
  /** A name, an address, or "": only a text. */
  readonly host: string;
  /** `host` as an address. */
  readonly ip: Ip | undefined;
  readonly port: number;
  readonly priority: number;
  /** 0: not said, which counts as 100. */
  readonly weight: number;
  readonly text: string;
  readonly ttlSeconds: number;
  readonly mail: boolean;
  readonly targetStrip: number;
  readonly group: string;
}

const defaultPriority = 10;
const defaultTtlSeconds = 300;
const numberMax = 0xffff;
const ttlSecondsMax = 0x7fffffff;

export function parseSkyRecord(key: string, value: string): SkyRecord | undefined {
  const fields = readFields(value);
  if (!fields) return undefined;
  const text = (name: string) => typed(fields.get(name), "string", "");
  const whole = (name: string, max: number) => {
    const number = typed(fields.get(name), "number", 0);
    return number !== undefined && Number.isInteger(number) && number >= 0 && number <= max
      ? number
      : undefined;
  };
  const [host, words, group] = [text("host"), text("text"), text("group")];
  const [port, priority, weight] = [
    whole("port", numberMax),
    whole("priority", numberMax),
    whole("weight", numberMax),
  ];
  const [ttl, targetStrip] = [whole("ttl", ttlSecondsMax), whole("targetstrip", numberMax)];
  const mail = typed(fields.get("mail"), "boolean", false);
  if (host === undefined || words === undefined || group === undefined || mail === undefined)
    return undefined;
  if (port === undefined || priority === undefined || weight === undefined) return undefined;
  if (ttl === undefined || targetStrip === undefined) return undefined;
  return {
    key,
    host: host.endsWith(".") ? host.slice(0, -1) : host,
    ip: isIp(host) ? parseIp(host) : undefined,
    port,
    priority: priority || defaultPriority,
    weight,
    text: words,
    ttlSeconds: ttl || defaultTtlSeconds,
    mail,
    targetStrip,
    group,
  };
}

/** Of an object; names without regard to case, as Go reads them. */
function readFields(value: string): ReadonlyMap<string, unknown> | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(value);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return undefined;
  return new Map(Object.entries(parsed).map(([name, field]) => [name.toLowerCase(), field]));
}

interface FieldTypes {
  readonly string: string;
  readonly number: number;
  readonly boolean: boolean;
}

/** The default for what is absent or null; undefined for another type. */
function typed<Type extends keyof FieldTypes>(
  field: unknown,
  type: Type,
  absent: FieldTypes[Type],
): FieldTypes[Type] | undefined {
  if (field === undefined || field === null) return absent;
  return typeof field === type ? (field as FieldTypes[Type]) : undefined;
}

/**
 * Records of one group only. The group is that of the record with the shortest key; records without a group
 * belong to each. Where records of the shortest length disagree, all are given (SkyDNS's README, "Groups").
 */
export function oneGroup(records: readonly SkyRecord[]): readonly SkyRecord[] {
  const depthOf = ({ key }: SkyRecord) => key.split("/").length;
  const depth = Math.min(...records.map(depthOf));
  const groups = new Set(records.filter((record) => depthOf(record) === depth).map(({ group }) => group));
  groups.delete("");
  const [group] = groups;
  if (group === undefined || groups.size > 1) return records;
  return records.filter((record) => record.group === "" || record.group === group);
}

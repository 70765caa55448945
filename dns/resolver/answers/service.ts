/**
 * Answers of a service: A and AAAA are its instances' addresses, each once; SRV adds port and weight and puts
 * the addresses of its targets into the additional section, since clients as HAProxy look there first.
 * The target is the node, or the address as a name where the instance has its own, or the instance's host
 * name. Names come from whoever registered them: one that DNS cannot carry is passed over, so that it cannot
 * spoil the answer of the others. Instances that have only a host name answer with one CNAME, and only if no instance has an address.
 */
import { ipToBytes } from "../../../addr/index.ts";
import { type DnsRecord, isPlainName, typeNumbers } from "../../wire/index.ts";
import type { ServiceInstance } from "../catalog/catalog-reader.ts";
import { placeOf } from "../choice/instances.ts";
import { addressDigits, addressRecord, addressRecords, isAddressType } from "./addresses.ts";
import { record } from "./resolution.ts";

export interface ServiceQuestion {
  /** As asked, case included: the owner of the answers. */
  readonly owner: string;
  readonly type: number;
  /** Of the targets. */
  readonly domain: string;
  readonly datacenter: string;
  readonly ttlSeconds: number;
  /** 0 ≤ random() < 1. */
  readonly random: () => number;
}

export interface ServiceRecords {
  readonly answers: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  /** Set when the answer is a CNAME to this name. */
  readonly alias?: string;
}

/** @param instances those that may be named, at least one */
export function serviceRecords(
  question: ServiceQuestion,
  instances: readonly ServiceInstance[],
): ServiceRecords {
  if (question.type === typeNumbers.SRV) return srvRecords(question, instances);
  if (!isAddressType(question.type) && question.type !== typeNumbers.CNAME)
    return { answers: [], additionals: [] };
  const places = instances.map(placeOf);
  const ips = places.flatMap((place) => (place.kind === "host" ? [] : place.addresses));
  const hosts = places.flatMap((place) =>
    place.kind === "host" && isPlainName(place.name) ? [place.name] : [],
  );
  if (ips.length > 0 || hosts.length === 0) {
    return {
      answers: addressRecords(question.owner, question.ttlSeconds, ips, question.type),
      additionals: [],
    };
  }
  const alias = hosts[Math.floor(question.random() * hosts.length)] ?? "";
  return {
    answers: [record(question.owner, question.ttlSeconds, { kind: "CNAME", target: alias })],
    additionals: [],
    alias,
  };
}

function srvRecords(question: ServiceQuestion, instances: readonly ServiceInstance[]): ServiceRecords {
  const answers = new Map<string, DnsRecord>();
  const additionals = new Map<string, DnsRecord>();
  for (const instance of instances) {
    const place = placeOf(instance);
    const target = srvTarget(question, instance);
    if (target === undefined) continue;
    const { passing, warning } = instance.weights ?? { passing: 1, warning: 1 };
    answers.set(
      `${target}:${instance.port}`,
      record(question.owner, question.ttlSeconds, {
        kind: "SRV",
        priority: 1,
        weight: instance.status === "warning" ? warning : passing,
        port: instance.port,
        target,
      }),
    );
    // An address as a name is of one family.
    const reached =
      place.kind === "own" ? place.addresses.slice(0, 1) : place.kind === "host" ? [] : place.addresses;
    for (const ip of reached) {
      additionals.set(`${target} ${ip}`, addressRecord(target, question.ttlSeconds, ip));
    }
  }
  return { answers: [...answers.values()], additionals: [...additionals.values()] };
}

function srvTarget(question: ServiceQuestion, instance: ServiceInstance): string | undefined {
  const place = placeOf(instance);
  if (place.kind === "host") return isPlainName(place.name) ? place.name : undefined;
  const tail = `${question.datacenter}.${question.domain}`;
  const nodeTarget = `${instance.node}.node.${tail}`;
  if (place.kind === "node" && isPlainName(nodeTarget)) return nodeTarget;
  const [ip] = place.addresses;
  return ip === undefined ? undefined : `${addressDigits(ipToBytes(ip))}.addr.${tail}`;
}

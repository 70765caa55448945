/**
 * The records at the top of a zone of ours: SOA, NS and the address of the name server. The serial is the wall
 * clock's second of the catalog's last change, so it rises when and only when the zone may have changed.
 */
import type { DnsRecord } from "../../wire/index.ts";
import { record } from "./resolution.ts";

export interface ZoneFacts {
  /** The zone's own name: a domain, or a reverse zone. */
  readonly apex: string;
  /** The domain under which the name server has its name. */
  readonly domain: string;
  readonly serial: number;
  readonly negativeSeconds: number;
}

export function soaRecord({ apex, domain, serial, negativeSeconds }: ZoneFacts): DnsRecord {
  return record(apex, negativeSeconds, {
    kind: "SOA",
    primary: `ns.${domain}`,
    mailbox: `hostmaster.${domain}`,
    serial,
    refreshSeconds: 3600,
    retrySeconds: 600,
    expireSeconds: 86_400,
    minimumSeconds: negativeSeconds,
  });
}

export function nsRecord(owner: string, domain: string, ttlSeconds: number): DnsRecord {
  return record(owner, ttlSeconds, { kind: "NS", target: `ns.${domain}` });
}

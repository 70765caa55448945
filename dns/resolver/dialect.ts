/**
 * A grammar of names with a domain of its own, beside Consul's: it reads the catalog its own way. The resolver
 * hands it the questions below its domain; a dialect is pure but for the reads that it awaits.
 */
import type { Ip } from "../../addr/index.ts";
import type { DnsRecord, Question } from "../wire/index.ts";
import type { Resolution } from "./answers/resolution.ts";
import type { TtlPolicy } from "./answers/ttl.ts";
import type { CatalogReader, ServiceInstance } from "./catalog/catalog-reader.ts";

/** What dialects read of the catalog. */
export type DialectCatalog = Pick<CatalogReader, "service" | "node" | "nodes" | "keys">;

export interface DialectQuestion {
  readonly question: Question;
  /** Lower case, from the left, without the domain. */
  readonly labels: readonly string[];
  readonly domain: string;
  /** Of the dialect's domain as it was asked: authority of a negative answer, and the apex's own record. */
  readonly soa: DnsRecord;
  readonly catalog: DialectCatalog;
  readonly datacenter: string;
  readonly ttl: TtlPolicy;
  /** Those that may be named to this client; a part of them depends on who asks. */
  readonly choose: (instances: readonly ServiceInstance[]) => ChosenInstances;
  /** Where this server listens. */
  readonly nameservers: readonly Ip[];
  /** 0 ≤ random() < 1. */
  readonly random: () => number;
  /** The answer with a CNAME to `alias`, and what that leads to. */
  readonly follow: (
    alias: string,
    answers: readonly DnsRecord[],
    dependsOn: readonly string[],
  ) => Promise<Resolution>;
  /** Another question below our domains; undefined when the name is none of ours, or the chain is too long. */
  readonly lookup: (name: string, type: number) => Promise<Resolution | undefined>;
}

export interface ChosenInstances {
  readonly instances: readonly ServiceInstance[];
  readonly isPart: boolean;
}

/** Names that somebody wrote down for an address. */
export interface Pointers {
  readonly names: readonly string[];
  readonly ttlSeconds: number;
  readonly dependsOn: readonly string[];
}

export interface Dialect {
  /** `skydns`, `mesos`. */
  readonly name: string;
  /** Lower case, without the last dot. */
  readonly domain: string;
  resolve(asked: DialectQuestion): Promise<Resolution>;
  /** @param labels of a whole name below `in-addr.arpa` or `ip6.arpa`, lower case */
  pointers?(labels: readonly string[], catalog: DialectCatalog): Promise<Pointers>;
}

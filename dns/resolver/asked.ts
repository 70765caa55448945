/** A question on its way to an answer: below which of our domains it is, who asks, and how far it was followed. */
import type { Cidr, Ip } from "../../addr/index.ts";
import type { DnsRecord, Question } from "../wire/index.ts";
import type { Resolution } from "./answers/resolution.ts";
import type { ResolverOptions } from "./resolver-options.ts";

export interface Asked {
  readonly question: Question;
  readonly domain: string;
  /** Names end in the domain as it was asked, case included, so that all of them compress against the question. */
  readonly soa: DnsRecord;
  readonly client: Ip | undefined;
  /** Of the client behind a resolver that asks for it (RFC 7871). */
  readonly subnet: Cidr | undefined;
  readonly depth: number;
}

/** What answers are made with. */
export interface Answering {
  readonly options: ResolverOptions;
  /** Goes on from a CNAME: within our domains here, outside of them by whoever sees `chase`. */
  readonly chase: (
    asked: Asked,
    alias: string,
    answers: readonly DnsRecord[],
    dependsOn: readonly string[],
  ) => Promise<Resolution>;
}

/** The asked datacenter, or ours; undefined if there is no such. */
export function datacenterOf(
  { catalog, datacenter }: ResolverOptions,
  asked: string | undefined,
): string | undefined {
  if (asked === undefined || asked === datacenter) return datacenter;
  return catalog.datacenters().includes(asked) ? asked : undefined;
}

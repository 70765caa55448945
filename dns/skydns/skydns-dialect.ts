/**
 * SkyDNS over the key/value store: a name answers with every record at its key and below (`web.skydns.local`:
 * all instances of `web`, wherever), `*` and `any` match any one label, groups keep records of one answer
 * apart. The apex answers addresses from `apex.dns` if there are any, and name servers from `ns.dns`, as CoreDNS
 * does. A name exists when a key lies at or below it.
 *
 * Sources: SkyDNS's README, CoreDNS's etcd plugin.
 */
import { FabricError } from "../../errors/index.ts";
import { keyMatches, skyDnsPath } from "../names/index.ts";
import {
  addressAnswers,
  addressRecord,
  answer,
  changeKey,
  type Dialect,
  type DialectCatalog,
  type DialectQuestion,
  found,
  isAddressType,
  negative,
  nsRecord,
  type Pointers,
  type Resolution,
  record,
} from "../resolver/index.ts";
import {
  type DnsRecord,
  isPlainName,
  lowerName,
  nameFromLabels,
  rcodes,
  typeNumbers,
} from "../wire/index.ts";
import { mxTargets, nsTargets, smallestTtl, srvTargets, type Targets, textRecords } from "./sky-answers.ts";
import { oneGroup, parseSkyRecord, type SkyRecord } from "./sky-record.ts";

/** Names of targets whose addresses are added to one answer. */
const targetsFollowedMax = 16;

interface Records {
  readonly records: readonly SkyRecord[];
  /** Only those of the name itself. */
  readonly own: readonly SkyRecord[];
  readonly exists: boolean;
  readonly dependsOn: readonly string[];
}

export class SkyDnsDialect implements Dialect {
  readonly name = "skydns";
  readonly domain: string;
  readonly #domainLabels: readonly string[];

  constructor(domain: string) {
    this.domain = domain;
    this.#domainLabels = domain.split(".");
  }

  async resolve(asked: DialectQuestion): Promise<Resolution> {
    const { labels, question, soa } = asked;
    if (labels.length === 0) return this.#resolveApex(asked);
    const read = await this.#read(asked, labels);
    if (!read.exists && labels.length === 1 && labels[0] === "ns") {
      return answer(addressAnswers(question, 0, asked.nameservers), soa, []);
    }
    return this.#answer(asked, read);
  }

  async pointers(labels: readonly string[], catalog: DialectCatalog): Promise<Pointers> {
    const { own, dependsOn } = await readRecords(catalog, labels);
    const names = own.flatMap(({ ip, host }) => (ip === undefined && isPlainName(host) ? [host] : []));
    return { names, ttlSeconds: own.length === 0 ? 0 : smallestTtl(own), dependsOn };
  }

  async #resolveApex(asked: DialectQuestion): Promise<Resolution> {
    const { question, soa } = asked;
    if (question.type === typeNumbers.SOA) return found([{ ...soa, name: question.name }], []);
    if (question.type === typeNumbers.NS) return this.#resolveNs(asked);
    if (isAddressType(question.type)) {
      const special = await this.#read(asked, ["apex", "dns"]);
      if (special.records.length > 0) return this.#answer(asked, special);
      const all = await this.#answer(asked, await this.#read(asked, []));
      return { ...all, rcode: rcodes.NOERROR, dependsOn: [...special.dependsOn, ...all.dependsOn] };
    }
    return { ...(await this.#answer(asked, await this.#read(asked, []))), rcode: rcodes.NOERROR };
  }

  async #resolveNs(asked: DialectQuestion): Promise<Resolution> {
    const { question, nameservers } = asked;
    const { records, dependsOn } = await this.#read(asked, ["ns", "dns"]);
    const { answers, additionals } = nsTargets(question, records);
    if (answers.length > 0) return found(answers, dependsOn, additionals);
    const glue = nameservers.map((ip) => addressRecord(`ns.${this.domain}`, 0, ip));
    return found([nsRecord(question.name, this.domain, 0)], dependsOn, glue);
  }

  async #answer(asked: DialectQuestion, read: Records): Promise<Resolution> {
    const { question, soa } = asked;
    const { records, own, exists, dependsOn } = read;
    if (!exists) return negative(rcodes.NXDOMAIN, soa, dependsOn);
    if (records.length === 0) return negative(rcodes.NOERROR, soa, dependsOn);
    switch (question.type) {
      case typeNumbers.A:
      case typeNumbers.AAAA:
      case typeNumbers.ANY:
        return this.#addresses(asked, records, dependsOn);
      case typeNumbers.SRV:
        return withTargets(asked, srvTargets(question, records), dependsOn);
      case typeNumbers.MX:
        return withTargets(asked, mxTargets(question, records), dependsOn);
      case typeNumbers.TXT:
        return answer(textRecords(question, records), soa, dependsOn);
      case typeNumbers.CNAME:
        return answer(aliasOf(asked, own), soa, dependsOn);
      default:
        return negative(rcodes.NOERROR, soa, dependsOn);
    }
  }

  #addresses(
    asked: DialectQuestion,
    records: readonly SkyRecord[],
    dependsOn: readonly string[],
  ): Resolution | Promise<Resolution> {
    const { question, soa } = asked;
    const ips = records.flatMap(({ ip }) => (ip === undefined ? [] : [ip]));
    const alias = ips.length === 0 ? aliasOf(asked, records) : [];
    const target = alias[0]?.data;
    if (target?.kind === "CNAME") return asked.follow(target.target, alias, dependsOn);
    return answer(addressAnswers(question, smallestTtl(records), ips), soa, dependsOn);
  }

  #read({ catalog }: DialectQuestion, labels: readonly string[]): Promise<Records> {
    return readRecords(catalog, [...labels, ...this.#domainLabels]);
  }
}

/** @throws DNS_SUBTREE_TOO_LARGE */
async function readRecords(catalog: DialectCatalog, labels: readonly string[]): Promise<Records> {
  const asked = skyDnsPath(labels);
  const { values, complete } = await catalog.keys(asked.path);
  if (!complete) {
    throw new FabricError(
      "DNS_SUBTREE_TOO_LARGE",
      `answer ${nameFromLabels(labels)}: too many keys lie below ${asked.path}; ask further down, or raise viewKeysMax on the servers`,
      { details: { path: asked.path } },
    );
  }
  const matching = [...values].filter(([key]) => keyMatches(key, asked));
  const records = matching.flatMap(([key, value]) => parseSkyRecord(key, value) ?? []);
  const depth = asked.parts.length;
  const own = records.filter(({ key }) => key.split("/").length === depth);
  const below = records.filter(({ key }) => key.split("/").length > depth);
  return {
    records: oneGroup(below.length > 0 && !asked.isWild ? below : records),
    own,
    exists: matching.length > 0,
    dependsOn: [changeKey({ kind: "keys", path: asked.path })],
  };
}

/** One CNAME to any of the hosts that are names; none to the name itself. */
function aliasOf({ question, random }: DialectQuestion, records: readonly SkyRecord[]): DnsRecord[] {
  const self = lowerName(question.name);
  const hosts = records.filter(
    ({ ip, host }) => ip === undefined && isPlainName(host) && lowerName(host) !== self,
  );
  const chosen = hosts[Math.floor(random() * hosts.length)];
  return chosen ? [record(question.name, smallestTtl(hosts), { kind: "CNAME", target: chosen.host })] : [];
}

/** With the addresses of targets that are names of ours. */
async function withTargets(
  asked: DialectQuestion,
  { answers, additionals, named }: Targets,
  dependsOn: readonly string[],
): Promise<Resolution> {
  const extra: DnsRecord[] = [];
  const sources = [...dependsOn];
  let mayKeep = true;
  for (const name of named.slice(0, targetsFollowedMax)) {
    for (const type of [typeNumbers.A, typeNumbers.AAAA]) {
      const addresses = await asked.lookup(name, type);
      extra.push(...(addresses?.answers ?? []));
      sources.push(...(addresses?.dependsOn ?? []));
      // An answer that depends on nothing known was made for this client.
      if (addresses && addresses.dependsOn.length === 0) mayKeep = false;
    }
  }
  return answer(answers, asked.soa, mayKeep ? sources : [], [...additionals, ...extra]);
}

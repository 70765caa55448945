/**
 * Question to answer, over the catalog. Pure but for the reads it awaits: the same question, catalog and
 * random numbers give the same answer. It answers for our domains and for reverse names of what the fabric
 * knows; for anything else it answers undefined, and the forwarder decides.
 */
import { type Cidr, hostCidr, type Ip, isLoopback } from "../../addr/index.ts";
import type { Clock } from "../../clock/index.ts";
import { type ConsulName, domainOf, parseConsulName } from "../names/index.ts";
import { shuffled } from "../shuffled.ts";
import {
  type DnsRecord,
  lowerName,
  nameFromLabels,
  nameLabels,
  type Question,
  rcodes,
  typeNumbers,
} from "../wire/index.ts";
import { addressAnswers, addressRecord } from "./addresses.ts";
import {
  type CatalogReader,
  changeKey,
  instanceKey,
  type QueryAnswer,
  type ServiceInstance,
} from "./catalog-reader.ts";
import type { Dialect } from "./dialect.ts";
import { type HealthPolicy, isNamed, type Judgement, judgeInstances } from "./instances.ts";
import { metaRecords } from "./meta.ts";
import { nearestFirst, type Standpoint } from "./nearness.ts";
import { answer, found, negative, type Resolution } from "./resolution.ts";
import { reverseAnswers } from "./reverse-answers.ts";
import { serviceRecords } from "./service.ts";
import { serviceSetting } from "./service-settings.ts";
import { stableSubset } from "./stable-subset.ts";
import { serviceTtl, type TtlPolicy } from "./ttl.ts";
import { nsRecord, soaRecord } from "./zone.ts";

export interface ResolverOptions {
  readonly catalog: CatalogReader;
  /** Lower case, without the last dot; the first is used in answers to reverse questions. At least one. */
  readonly domains: readonly [string, ...string[]];
  /** Each with a domain of its own. */
  readonly dialects: readonly Dialect[];
  readonly datacenter: string;
  /** Addresses of `ns.<domain>`: where this server listens. */
  readonly nameserverAddresses: () => readonly Ip[];
  /** Pools of the fabric: their reverse names are ours to deny. */
  readonly reversePools: () => readonly Cidr[];
  /** Networks of whoever asks: in them, names of containers need no domain. */
  readonly networksOf: (client: Ip) => readonly string[];
  readonly ttl: TtlPolicy;
  readonly health: HealthPolicy;
  readonly subset: SubsetPolicy;
  /** Where the clients of a subnet are, as far as the fabric knows. */
  readonly whereIs: (subnet: Cidr) => Standpoint | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  /** Told of each choice among instances. */
  readonly onChoice?: (choice: Choice) => void;
}

export interface Choice {
  readonly judgement: Judgement;
  /** Those that are in the answer. */
  readonly named: readonly ServiceInstance[];
}

export interface SubsetPolicy {
  /** Most instances of a service in one answer, the same ones for the same client; 0 = all. A service's meta may say another. */
  readonly instancesMax: number;
  /** Stands for clients on loopback, which have one address on every node. */
  readonly node: string;
}

/** CNAMEs inside of our own domains that are followed for one answer. */
const chaseDepthMax = 3;

interface Asked {
  readonly question: Question;
  readonly domain: string;
  /** Names end in the domain as it was asked, case included, so that all of them compress against the question. */
  readonly soa: DnsRecord;
  readonly client: Ip | undefined;
  /** Of the client behind a resolver that asks for it (RFC 7871). */
  readonly subnet: Cidr | undefined;
  readonly depth: number;
}

export class Resolver {
  readonly #options: ResolverOptions;
  readonly #domains: readonly string[];
  #serial: number;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#domains = [...options.domains, ...options.dialects.map(({ domain }) => domain)];
    this.#serial = this.#wallSeconds();
  }

  /** To be called after each change of the catalog. */
  noteChange(): void {
    this.#serial = Math.max(this.#serial, this.#wallSeconds());
  }

  /** Undefined when the name is none of ours. Class and opcode are the caller's to check. */
  resolve(question: Question, client?: Ip, subnet?: Cidr): Promise<Resolution | undefined> {
    return this.#resolveAt(question, { client, subnet, depth: 0 });
  }

  async #resolveAt(
    question: Question,
    from: Pick<Asked, "client" | "subnet" | "depth">,
  ): Promise<Resolution | undefined> {
    const labels = nameLabels(lowerName(question.name));
    const domain = domainOf(labels, this.#domains);
    if (domain === undefined) {
      if (labels.at(-1) === "arpa") return this.#resolveReverse(question, labels);
      return from.client && this.#resolveNeighbour(question, labels, from.client);
    }
    const left = labels.slice(0, labels.length - domain.split(".").length);
    const zone = nameFromLabels(nameLabels(question.name).slice(left.length));
    const asked = { ...from, question, domain, soa: this.#soa(zone, zone) };
    const dialect = this.#options.dialects.find((each) => each.domain === domain);
    return dialect
      ? this.#resolveDialect(asked, dialect, left)
      : this.#resolveName(asked, parseConsulName(left));
  }

  #resolveDialect(asked: Asked, dialect: Dialect, labels: readonly string[]): Promise<Resolution> {
    const { question, soa, depth } = asked;
    const { catalog, datacenter, ttl, random, nameserverAddresses } = this.#options;
    return dialect.resolve({
      question,
      labels,
      domain: dialect.domain,
      soa,
      catalog,
      datacenter,
      ttl,
      choose: (all, tag) => {
        const { usable, part } = this.#choose(all, tag, asked.client);
        return { instances: part, isPart: part.length < usable.length };
      },
      random,
      nameservers: nameserverAddresses(),
      follow: (alias, answers, dependsOn) => this.#chase(asked, alias, answers, dependsOn),
      lookup: async (name, type) => {
        const isOurs = domainOf(nameLabels(lowerName(name)), this.#domains) !== undefined;
        if (!isOurs || depth >= chaseDepthMax) return undefined;
        return this.#resolveAt({ ...question, name, type }, { ...asked, depth: depth + 1 });
      },
    });
  }

  async #resolveName(asked: Asked, name: ConsulName): Promise<Resolution> {
    const { question, soa } = asked;
    const { ttl } = this.#options;
    switch (name.kind) {
      case "apex":
        return this.#resolveApex(asked);
      case "nameserver": {
        const addresses = this.#options.nameserverAddresses();
        return answer(addressAnswers(question, ttl.nodeSeconds, addresses), soa, []);
      }
      case "service":
        return this.#resolveService(asked, name);
      case "query":
        return this.#resolveQuery(asked, name);
      case "node":
        return this.#resolveNode(asked, name);
      case "address":
        if (this.#datacenter(name.datacenter) === undefined) return negative(rcodes.NXDOMAIN, soa, []);
        return answer(addressAnswers(question, ttl.nodeSeconds, [name.ip]), soa, []);
      case "container":
        return this.#resolveContainer(asked, name);
      case "empty": {
        const known = this.#datacenter(name.datacenter) !== undefined;
        return negative(known ? rcodes.NOERROR : rcodes.NXDOMAIN, soa, []);
      }
      case "none":
        return negative(rcodes.NXDOMAIN, soa, []);
      default:
        return name satisfies never;
    }
  }

  async #resolveService(asked: Asked, name: Extract<ConsulName, { kind: "service" }>): Promise<Resolution> {
    const { soa } = asked;
    const { catalog, ttl, whereIs } = this.#options;
    const dependsOn = [changeKey({ kind: "service", name: name.name })];
    const datacenter = this.#datacenter(name.datacenter);
    if (datacenter === undefined) return negative(rcodes.NXDOMAIN, soa, dependsOn);
    const instances = (await catalog.service(name.name, datacenter)) ?? [];
    const { usable, part } = this.#choose(instances, name.tag, asked.client);
    if (usable.length === 0) return negative(rcodes.NXDOMAIN, soa, dependsOn);
    // A part depends on who asks, so it is never kept.
    const source = part.length < usable.length ? [] : dependsOn;
    const from = asked.subnet && whereIs(asked.subnet);
    return this.#answerInstances(asked, part, from, source, {
      datacenter,
      ttlSeconds: serviceTtl(ttl, name.name),
    });
  }

  /** Which instances there are was decided by the query. Its own nearness comes before that of the client's subnet. */
  async #resolveQuery(asked: Asked, name: Extract<ConsulName, { kind: "query" }>): Promise<Resolution> {
    const { catalog, ttl } = this.#options;
    const dependsOn = [changeKey({ kind: "query", name: name.name })];
    const datacenter = this.#datacenter(name.datacenter);
    const query = datacenter === undefined ? undefined : await catalog.query(name.name, datacenter);
    if (datacenter === undefined || !query || query.instances.length === 0)
      return negative(rcodes.NXDOMAIN, asked.soa, dependsOn);
    const ttlSeconds = query.ttlSeconds || serviceTtl(ttl, query.service);
    const from = await this.#queryStandpoint(asked, query, datacenter);
    return this.#answerInstances(asked, query.instances, from, dependsOn, { datacenter, ttlSeconds });
  }

  async #queryStandpoint(
    { client, subnet }: Asked,
    { near, origin }: QueryAnswer,
    datacenter: string,
  ): Promise<Standpoint | undefined> {
    const { catalog, whereIs, subset } = this.#options;
    const asking = subnet ?? (client && hostCidr(client));
    const known = near === "_agent" ? { node: subset.node } : asking && whereIs(asking);
    if (near === "") return subnet && known;
    if (near !== "_agent" && near !== "_ip") return { node: near, ...(origin && { coordinate: origin }) };
    const node = known?.node === undefined ? undefined : await catalog.node(known.node, datacenter);
    if (!node) return known;
    const { zone, coordinate } = node;
    return { ...known, ...(zone !== undefined && { zone }), ...(coordinate && { coordinate }) };
  }

  /** In random order, or the nearest to the standpoint first; an answer for one standpoint is never kept. */
  #answerInstances(
    asked: Asked,
    instances: readonly ServiceInstance[],
    from: Standpoint | undefined,
    dependsOn: readonly string[],
    { datacenter, ttlSeconds }: { readonly datacenter: string; readonly ttlSeconds: number },
  ): Promise<Resolution> | Resolution {
    const { question, domain, soa } = asked;
    const { random } = this.#options;
    const sorted = from ? nearestFirst(shuffled(instances, random), from) : instances;
    const records = serviceRecords(
      {
        owner: question.name,
        type: question.type,
        domain,
        datacenter,
        ttlSeconds,
        random: from ? () => 0 : random,
      },
      sorted,
    );
    const source = from ? [] : dependsOn;
    if (records.alias !== undefined && question.type !== typeNumbers.CNAME)
      return this.#chase(asked, records.alias, records.answers, source);
    const resolution = answer(records.answers, soa, source, records.additionals);
    return from ? { ...resolution, anyOrder: false, tailored: asked.subnet !== undefined } : resolution;
  }

  /** Those that may be named, and the part of them that this client is given. */
  #choose(
    instances: readonly ServiceInstance[],
    tag: string | undefined,
    client: Ip | undefined,
  ): { readonly usable: readonly ServiceInstance[]; readonly part: readonly ServiceInstance[] } {
    const { health, subset, onChoice } = this.#options;
    const judgement = judgeInstances(instances, tag, health);
    const usable = instances.filter((instance) => isNamed(judgement.verdicts.get(instance)));
    const count = serviceSetting(instances, "subset") ?? subset.instancesMax;
    const who = client === undefined || isLoopback(client) ? subset.node : client;
    const part = stableSubset(usable, Math.floor(count), who, instanceKey);
    onChoice?.({ judgement, named: part });
    return { usable, part };
  }

  async #resolveNode(asked: Asked, name: Extract<ConsulName, { kind: "node" }>): Promise<Resolution> {
    const { question, soa } = asked;
    const { catalog, ttl } = this.#options;
    const dependsOn = [changeKey({ kind: "node", name: name.name })];
    const datacenter = this.#datacenter(name.datacenter);
    const node = datacenter === undefined ? undefined : await catalog.node(name.name, datacenter);
    if (!node?.up) return negative(rcodes.NXDOMAIN, soa, dependsOn);
    const answers =
      question.type === typeNumbers.TXT
        ? metaRecords(question.name, ttl.nodeSeconds, node.meta)
        : addressAnswers(question, ttl.nodeSeconds, node.addresses);
    return answer(answers, soa, dependsOn);
  }

  async #resolveContainer(
    { question, soa }: Asked,
    { name, network, datacenter: asked }: Extract<ConsulName, { kind: "container" }>,
  ): Promise<Resolution> {
    const { catalog, ttl } = this.#options;
    const dependsOn = [changeKey({ kind: "container", name, network })];
    const datacenter = this.#datacenter(asked);
    const ips = datacenter === undefined ? [] : await catalog.container(name, network, datacenter);
    if (ips.length === 0) return negative(rcodes.NXDOMAIN, soa, dependsOn);
    return answer(addressAnswers(question, ttl.nodeSeconds, ips), soa, dependsOn);
  }

  /**
   * `web`, or `web.shop`, asked by a container: one with that name in a network that both are in. Nothing found is
   * no answer of ours, as the name may be known elsewhere. It depends on who asks, so it is never kept.
   */
  async #resolveNeighbour(
    question: Question,
    labels: readonly string[],
    client: Ip,
  ): Promise<Resolution | undefined> {
    const [name, wanted, ...more] = labels;
    if (name === undefined || more.length > 0) return undefined;
    const { catalog, datacenter, domains, networksOf, ttl } = this.#options;
    const networks = networksOf(client).filter(
      (each) => wanted === undefined || each.toLowerCase() === wanted,
    );
    const ips: Ip[] = [];
    for (const network of networks)
      ips.push(...(await catalog.container(name, network.toLowerCase(), datacenter)));
    if (ips.length === 0) return undefined;
    const soa = this.#soa(nameFromLabels(labels), domains[0]);
    return answer(addressAnswers(question, ttl.nodeSeconds, ips), soa, []);
  }

  #resolveApex({ question, domain, soa }: Asked): Resolution {
    const { ttl, nameserverAddresses } = this.#options;
    if (question.type === typeNumbers.SOA || question.type === typeNumbers.ANY) {
      return found([{ ...soa, name: question.name }], []);
    }
    if (question.type !== typeNumbers.NS) return negative(rcodes.NOERROR, soa, []);
    const glue = nameserverAddresses().map((ip) => addressRecord(`ns.${domain}`, ttl.nodeSeconds, ip));
    return found([nsRecord(question.name, domain, ttl.nodeSeconds)], [], glue);
  }

  #resolveReverse(question: Question, labels: readonly string[]): Promise<Resolution | undefined> {
    const { catalog, dialects, domains, reversePools, ttl } = this.#options;
    return reverseAnswers(question, labels, {
      catalog,
      dialects,
      pools: reversePools(),
      domain: domains[0],
      ttlSeconds: ttl.nodeSeconds,
      soa: (zone) => this.#soa(zone, domains[0]),
    });
  }

  /** Goes on from a CNAME: within our domains here, outside of them by whoever sees `chase`. */
  async #chase(
    asked: Asked,
    alias: string,
    answers: readonly DnsRecord[],
    dependsOn: readonly string[],
  ): Promise<Resolution> {
    const ours = domainOf(nameLabels(lowerName(alias)), this.#domains) !== undefined;
    const first = { ...found(answers, dependsOn), anyOrder: false };
    if (!ours) return { ...first, chase: alias };
    if (asked.depth >= chaseDepthMax) return first;
    const next = await this.#resolveAt(
      { ...asked.question, name: alias },
      { ...asked, depth: asked.depth + 1 },
    );
    if (!next) return first;
    return {
      ...next,
      answers: [...answers, ...next.answers],
      dependsOn: [...dependsOn, ...next.dependsOn],
      anyOrder: false,
    };
  }

  /** The asked datacenter, or ours; undefined if there is no such. */
  #datacenter(asked: string | undefined): string | undefined {
    const { catalog, datacenter } = this.#options;
    if (asked === undefined || asked === datacenter) return datacenter;
    return catalog.datacenters().includes(asked) ? asked : undefined;
  }

  #soa(apex: string, domain: string): DnsRecord {
    const { negativeSeconds } = this.#options.ttl;
    return soaRecord({ apex, domain, serial: this.#serial, negativeSeconds });
  }

  #wallSeconds(): number {
    return Math.floor(this.#options.clock.wallMs() / 1000) >>> 0;
  }
}

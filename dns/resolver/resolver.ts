/**
 * Question to answer, over the catalog. Pure but for the reads it awaits: the same question, catalog and
 * random numbers give the same answer. It answers for our domains and for reverse names of what the fabric
 * knows; for anything else it answers undefined, and the forwarder decides.
 */
import type { Cidr, Ip } from "../../addr/index.ts";
import { type ConsulName, domainOf, parseConsulName } from "../names/index.ts";
import {
  type DnsRecord,
  lowerName,
  nameFromLabels,
  nameLabels,
  type Question,
  rcodes,
  typeNumbers,
} from "../wire/index.ts";
import { addressAnswers, addressRecord } from "./answers/addresses.ts";
import { queryAnswers, serviceAnswers } from "./answers/instance-answers.ts";
import { containerAnswers, neighbourAnswers, nodeAnswers } from "./answers/place-answers.ts";
import { answer, found, negative, type Resolution } from "./answers/resolution.ts";
import { reverseAnswers } from "./answers/reverse-answers.ts";
import { nsRecord, soaRecord } from "./answers/zone.ts";
import { type Answering, type Asked, datacenterOf } from "./asked.ts";
import { anyInstance } from "./choice/asking.ts";
import { chooseInstances } from "./choice/choose-instances.ts";
import type { Dialect } from "./dialect.ts";
import type { ResolverOptions } from "./resolver-options.ts";

/** CNAMEs inside of our own domains that are followed for one answer. */
const chaseDepthMax = 3;

export class Resolver {
  readonly #options: ResolverOptions;
  readonly #answering: Answering;
  readonly #domains: readonly string[];
  #serial: number;

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#answering = { options, chase: this.#chase.bind(this) };
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
      const soa = () => this.#soa(nameFromLabels(labels), this.#options.domains[0]);
      return from.client && neighbourAnswers(question, labels, from.client, soa, this.#options);
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
      choose: (all) => {
        const { usable, part } = chooseInstances(this.#options, all, anyInstance, asked.client);
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
        return serviceAnswers(asked, name, this.#answering);
      case "query":
        return queryAnswers(asked, name, this.#answering);
      case "node":
        return nodeAnswers(asked, name, this.#options);
      case "address":
        if (datacenterOf(this.#options, name.datacenter) === undefined)
          return negative(rcodes.NXDOMAIN, soa, []);
        return answer(addressAnswers(question, ttl.nodeSeconds, [name.ip]), soa, []);
      case "container":
        return containerAnswers(asked, name, this.#options);
      case "empty": {
        const known = datacenterOf(this.#options, name.datacenter) !== undefined;
        return negative(known ? rcodes.NOERROR : rcodes.NXDOMAIN, soa, []);
      }
      case "none":
        return negative(rcodes.NXDOMAIN, soa, []);
      default:
        return name satisfies never;
    }
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

  #soa(apex: string, domain: string): DnsRecord {
    const { negativeSeconds } = this.#options.ttl;
    return soaRecord({ apex, domain, serial: this.#serial, negativeSeconds });
  }

  #wallSeconds(): number {
    return Math.floor(this.#options.clock.wallMs() / 1000) >>> 0;
  }
}

/**
 * Mesos-DNS's names over the catalog. Only instances that may be named are tasks here, while Mesos-DNS names
 * every running task; TTLs are those of the catalog, not 60 s.
 */
import { type Ip, isIp, parseIp } from "../../addr/index.ts";
import { type MesosName, parseMesosName } from "../names/index.ts";
import {
  addressAnswers,
  addressRecord,
  answer,
  changeKey,
  type Dialect,
  type DialectQuestion,
  found,
  negative,
  nsRecord,
  placeOf,
  type Resolution,
  record,
  type ServiceInstance,
  serviceRecords,
  serviceTtl,
} from "../resolver/index.ts";
import { type DnsRecord, isPlainName, rcodes, typeNumbers } from "../wire/index.ts";
import { canonicalLabel, frameworkOf, hasProtocol, portsOf, taskOfCanonical } from "./mesos-task.ts";

/** A server of the fabric, as the node knows it: an address or a host name, and its port. */
export interface MesosServer {
  readonly host: string;
  readonly port: number;
}

/** Those the node was told of, the one it is connected to first. */
export type MesosServers = () => readonly MesosServer[];

type Of<Kind extends MesosName["kind"]> = Extract<MesosName, { kind: Kind }>;

interface Tasks {
  readonly instances: readonly ServiceInstance[];
  readonly dependsOn: readonly string[];
}

export class MesosDialect implements Dialect {
  readonly name = "mesos";
  readonly domain: string;
  readonly #servers: MesosServers;

  constructor(domain: string, servers: MesosServers) {
    this.domain = domain;
    this.#servers = servers;
  }

  async resolve(asked: DialectQuestion): Promise<Resolution> {
    const { question, soa, labels, ttl, nameservers } = asked;
    const name = parseMesosName(labels);
    switch (name.kind) {
      case "apex":
        return this.#resolveApex(asked);
      case "nameserver":
        return answer(addressAnswers(question, ttl.nodeSeconds, nameservers), soa, []);
      case "servers":
        return this.#resolveServers(asked, name);
      case "nodes":
        return this.#resolveNodes(asked);
      case "node":
        return this.#resolveNode(asked, name.name);
      case "scheduler":
        return this.#resolveScheduler(asked, name);
      case "task":
        return this.#resolveTask(asked, name);
      case "service":
        return this.#resolveService(asked, name);
      case "empty":
        return negative(rcodes.NOERROR, soa, []);
      default:
        return name satisfies never;
    }
  }

  #resolveApex({ question, soa, ttl, nameservers }: DialectQuestion): Resolution {
    if (question.type === typeNumbers.SOA) return found([{ ...soa, name: question.name }], []);
    if (question.type !== typeNumbers.NS) return negative(rcodes.NOERROR, soa, []);
    const glue = nameservers.map((ip) => addressRecord(`ns1.${this.domain}`, ttl.nodeSeconds, ip));
    const ns = nsRecord(question.name, this.domain, ttl.nodeSeconds);
    return found([{ ...ns, data: { kind: "NS", target: `ns1.${this.domain}` } }], [], glue);
  }

  /** They change without the catalog's knowing, so answers with them are never kept. */
  #resolveServers(
    asked: DialectQuestion,
    { which, isService }: Of<"servers">,
  ): Resolution | Promise<Resolution> {
    const { question, soa, ttl } = asked;
    const all = this.#servers();
    const chosen = which === "leader" ? all.slice(0, 1) : which === "all" ? all : all.slice(which, which + 1);
    if (typeof which === "number" && chosen.length === 0) return negative(rcodes.NXDOMAIN, soa, []);
    if (isService) {
      if (question.type !== typeNumbers.SRV) return negative(rcodes.NOERROR, soa, []);
      const targetOf = ({ host }: MesosServer, i: number) =>
        isIp(host) ? `${which === "leader" ? "leader" : `master${i}`}.${this.domain}` : host;
      const answers = chosen.map((server, i) =>
        srv(question.name, ttl.nodeSeconds, targetOf(server, i), server.port),
      );
      const glue = chosen.flatMap((server, i) =>
        isIp(server.host) ? [addressRecord(targetOf(server, i), ttl.nodeSeconds, parseIp(server.host))] : [],
      );
      return answer(answers, soa, [], glue);
    }
    const ips = chosen.flatMap(({ host }) => (isIp(host) ? [parseIp(host)] : []));
    const [named] = chosen.filter(({ host }) => !isIp(host) && isPlainName(host));
    if (ips.length > 0 || !named) return answer(addressAnswers(question, ttl.nodeSeconds, ips), soa, []);
    const alias = record(question.name, ttl.nodeSeconds, { kind: "CNAME", target: named.host });
    return asked.follow(named.host, [alias], []);
  }

  async #resolveNodes({ question, soa, ttl, catalog, datacenter }: DialectQuestion): Promise<Resolution> {
    const nodes = await catalog.nodes(datacenter);
    const ips = nodes.filter(({ up }) => up).flatMap(({ addresses }) => addresses);
    return answer(addressAnswers(question, ttl.nodeSeconds, ips), soa, [changeKey({ kind: "nodes" })]);
  }

  async #resolveNode(
    { question, soa, ttl, catalog, datacenter }: DialectQuestion,
    name: string,
  ): Promise<Resolution> {
    const node = await catalog.node(name, datacenter);
    const dependsOn = [changeKey({ kind: "node", name })];
    if (!node?.up) return negative(rcodes.NXDOMAIN, soa, dependsOn);
    return answer(addressAnswers(question, ttl.nodeSeconds, node.addresses), soa, dependsOn);
  }

  /** The instances of the service that is called as the framework; names lie below it even if there are none. */
  async #resolveScheduler(
    asked: DialectQuestion,
    { framework, isService }: Of<"scheduler">,
  ): Promise<Resolution> {
    const { instances, dependsOn } = await readTasks(asked, framework, () => true);
    if (instances.length === 0) return negative(rcodes.NOERROR, asked.soa, dependsOn);
    return isService
      ? this.#ports(asked, framework, { instances, dependsOn }, framework, false)
      : addresses(asked, framework, { instances, dependsOn }, false);
  }

  async #resolveTask(asked: DialectQuestion, { task, framework, onNode }: Of<"task">): Promise<Resolution> {
    const inFramework = (instance: ServiceInstance) => frameworkOf(instance) === framework;
    const tasks = await readTasks(asked, task, inFramework);
    if (tasks.instances.length > 0) return addresses(asked, task, tasks, onNode);
    const canonical = taskOfCanonical(task);
    if (canonical === undefined) return negative(rcodes.NXDOMAIN, asked.soa, tasks.dependsOn);
    const one = await readTasks(
      asked,
      canonical,
      (instance) => inFramework(instance) && canonicalLabel(canonical, instance) === task,
    );
    const dependsOn = [...tasks.dependsOn, ...one.dependsOn];
    if (one.instances.length === 0) return negative(rcodes.NXDOMAIN, asked.soa, dependsOn);
    return addresses(asked, canonical, { instances: one.instances, dependsOn }, onNode);
  }

  async #resolveService(asked: DialectQuestion, name: Of<"service">): Promise<Resolution> {
    const { task, framework, protocol, portName, onNode } = name;
    const tasks = await readTasks(
      asked,
      task,
      (instance) =>
        frameworkOf(instance) === framework &&
        hasProtocol(instance, protocol) &&
        portsOf(instance, portName).length > 0 &&
        (!onNode || placeOf(instance).kind === "node"),
    );
    if (tasks.instances.length === 0) return negative(rcodes.NXDOMAIN, asked.soa, tasks.dependsOn);
    return this.#ports(asked, task, tasks, framework, onNode, portName);
  }

  #ports(
    { question, soa, ttl }: DialectQuestion,
    task: string,
    { instances, dependsOn }: Tasks,
    framework: string,
    onNode: boolean,
    portName?: string,
  ): Resolution {
    if (question.type !== typeNumbers.SRV && question.type !== typeNumbers.ANY) {
      return negative(rcodes.NOERROR, soa, dependsOn);
    }
    const ttlSeconds = serviceTtl(ttl, task);
    const answers = new Map<string, DnsRecord>();
    const additionals = new Map<string, DnsRecord>();
    for (const instance of instances) {
      const place = placeOf(instance);
      const under = `${framework}${onNode ? ".slave" : ""}.${this.domain}`;
      const target = place.kind === "host" ? place.name : `${canonicalLabel(task, instance)}.${under}`;
      if (!isPlainName(target)) continue;
      for (const { port } of portsOf(instance, portName)) {
        const key = `${target}:${port}`;
        answers.set(key, srv(question.name, ttlSeconds, target, port, weightOf(instance)));
      }
      for (const ip of place.kind === "host" ? [] : place.addresses)
        additionals.set(`${target} ${ip}`, addressRecord(target, ttlSeconds, ip));
    }
    return answer([...answers.values()], soa, dependsOn, [...additionals.values()]);
  }
}

/** Those that may be named, among those that match. */
async function readTasks(
  { catalog, datacenter, choose }: DialectQuestion,
  service: string,
  matches: (instance: ServiceInstance) => boolean,
): Promise<Tasks> {
  const all = (await catalog.service(service, datacenter)) ?? [];
  const { instances, isPart } = choose(all.filter(matches));
  return { instances, dependsOn: isPart ? [] : [changeKey({ kind: "service", name: service })] };
}

function addresses(
  asked: DialectQuestion,
  task: string,
  { instances, dependsOn }: Tasks,
  onNode: boolean,
): Resolution | Promise<Resolution> {
  const { question, soa, ttl, random, domain, datacenter } = asked;
  const ttlSeconds = serviceTtl(ttl, task);
  if (onNode) {
    const ips = new Set<Ip>(instances.flatMap(({ nodeAddresses }) => nodeAddresses));
    return answer(addressAnswers(question, ttlSeconds, ips), soa, dependsOn);
  }
  // Ports are asked for below `_tcp` and `_udp` only.
  if (question.type === typeNumbers.SRV) return negative(rcodes.NOERROR, soa, dependsOn);
  const { answers, alias } = serviceRecords(
    { owner: question.name, type: question.type, domain, datacenter, ttlSeconds, random },
    instances,
  );
  return alias === undefined || question.type === typeNumbers.CNAME
    ? answer(answers, soa, dependsOn)
    : asked.follow(alias, answers, dependsOn);
}

function weightOf({ weights, status }: ServiceInstance): number {
  return (status === "warning" ? weights?.warning : weights?.passing) ?? 1;
}

function srv(owner: string, ttlSeconds: number, target: string, port: number, weight = 1): DnsRecord {
  return record(owner, ttlSeconds, { kind: "SRV", priority: 0, weight, port, target });
}

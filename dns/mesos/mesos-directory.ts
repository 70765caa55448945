/**
 * What Mesos-DNS tells over HTTP (mesos-dns/docs/http.md), made from the same answers as DNS: addresses of a host,
 * ports of a service, and a list of all tasks with their records. Names end in a dot, a name that is not
 * there is one record with empty fields, as Mesos-DNS's clients expect.
 */
import { FabricError } from "../../errors/index.ts";
import {
  type DialectCatalog,
  type DialectQuestion,
  found,
  type HealthPolicy,
  placeOf,
  type Resolution,
  record,
  type ServiceInstance,
  usableInstances,
} from "../resolver/index.ts";
import { classIn, isPlainName, lowerName, nameLabels, type Rdata, typeNumbers } from "../wire/index.ts";
import { MesosDialect, type MesosServers } from "./mesos-dialect.ts";
import { canonicalLabel, frameworkOf, hasProtocol, portsOf } from "./mesos-task.ts";

export interface MesosDirectoryOptions {
  readonly domain: string;
  readonly datacenter: string;
  readonly catalog: DialectCatalog;
  /** Of every service that may be a task. */
  readonly serviceNames: () => readonly string[];
  readonly servers: MesosServers;
  readonly health: HealthPolicy;
  /** Instances in one list of all tasks. */
  readonly tasksMax: number;
}

export interface MesosHost {
  readonly host: string;
  readonly ip: string;
}

export interface MesosService extends MesosHost {
  readonly service: string;
  readonly port: string;
}

export interface MesosRecord {
  readonly name: string;
  readonly host: string;
  readonly rtype: "A" | "AAAA" | "SRV";
}

export interface MesosTask {
  readonly name: string;
  readonly id: string;
  readonly records: readonly MesosRecord[];
}

export interface MesosEnumeration {
  readonly frameworks: readonly { readonly tasks: readonly MesosTask[]; readonly name: string }[];
}

export class MesosDirectory {
  readonly #options: MesosDirectoryOptions;
  readonly #dialect: MesosDialect;

  constructor(options: MesosDirectoryOptions) {
    this.#options = options;
    this.#dialect = new MesosDialect(options.domain, options.servers);
  }

  async hosts(name: string): Promise<readonly MesosHost[]> {
    const host = `${trimmed(name)}.`;
    const four = await this.#resolve(name, typeNumbers.A);
    const six = await this.#resolve(name, typeNumbers.AAAA);
    const ips = [...four, ...six].flatMap((data) => ("address" in data ? [data.address] : []));
    return ips.length === 0 ? [{ host: "", ip: "" }] : [...new Set(ips)].map((ip) => ({ host, ip }));
  }

  async services(service: string): Promise<readonly MesosService[]> {
    const found: MesosService[] = [];
    for (const data of await this.#resolve(service, typeNumbers.SRV)) {
      if (data.kind !== "SRV") continue;
      const [at] = await this.hosts(data.target);
      found.push({ service, host: `${data.target}.`, ip: at?.ip ?? "", port: String(data.port) });
    }
    return found.length === 0 ? [{ service: "", host: "", ip: "", port: "" }] : found;
  }

  /** @throws DNS_TOO_MANY_TASKS */
  async enumerate(): Promise<MesosEnumeration> {
    const { catalog, datacenter, serviceNames, health, tasksMax } = this.#options;
    const frameworks = new Map<string, MesosTask[]>();
    let count = 0;
    for (const name of serviceNames().map((each) => each.toLowerCase())) {
      if (!isPlainName(name) || name.includes(".")) continue;
      for (const instance of usableInstances((await catalog.service(name, datacenter)) ?? [], health)) {
        count++;
        if (count > tasksMax) throw tooMany(tasksMax);
        const framework = frameworkOf(instance);
        const tasks = frameworks.get(framework) ?? [];
        frameworks.set(framework, tasks);
        tasks.push({
          name,
          id: `${instance.node}/${instance.id ?? name}`,
          records: this.#records(name, framework, instance),
        });
      }
    }
    return { frameworks: [...frameworks].map(([name, tasks]) => ({ tasks, name })) };
  }

  #records(task: string, framework: string, instance: ServiceInstance): MesosRecord[] {
    const tail = `${framework}.${this.#options.domain}.`;
    const slaveTail = `${framework}.slave.${this.#options.domain}.`;
    const canonical = canonicalLabel(task, instance);
    const place = placeOf(instance);
    const own = place.kind === "host" ? [] : place.addresses;
    const hosts = (name: string, ips: readonly string[]) =>
      ips.map((host) => ({ name, host, rtype: host.includes(":") ? ("AAAA" as const) : ("A" as const) }));
    const target = place.kind === "host" ? `${place.name}.` : `${canonical}.${tail}`;
    const ports = (["tcp", "udp"] as const)
      .filter((protocol) => hasProtocol(instance, protocol))
      .flatMap((protocol) =>
        portsOf(instance).flatMap(({ name, port }) =>
          ["", ...(name === undefined ? [] : [`_${name.toLowerCase()}.`])].map((prefix) => ({
            name: `${prefix}_${task}._${protocol}.${tail}`,
            host: `${target}:${port}`,
            rtype: "SRV" as const,
          })),
        ),
      );
    return [
      ...[task, canonical].flatMap((label) => hosts(`${label}.${tail}`, own)),
      ...[task, canonical].flatMap((label) => hosts(`${label}.${slaveTail}`, instance.nodeAddresses)),
      ...ports,
    ];
  }

  /** The data of the answers; none for a name outside of the domain. */
  async #resolve(text: string, type: number): Promise<readonly Rdata[]> {
    const { domain, datacenter, catalog, health } = this.#options;
    const name = trimmed(text);
    if (name !== domain && !name.endsWith(`.${domain}`)) return [];
    if (!isPlainName(name)) return [];
    const labels = nameLabels(name).slice(0, -domain.split(".").length);
    // Only answers are looked at, so what would stand in the authority section does not matter.
    const none = record(domain, 0, { kind: "TXT", texts: [] });
    const asked: DialectQuestion = {
      question: { name, type, class: classIn },
      labels,
      domain,
      soa: none,
      catalog,
      datacenter,
      ttl: { nodeSeconds: 0, serviceSeconds: {}, negativeSeconds: 0 },
      choose: (instances) => ({ instances: usableInstances(instances, health), isPart: false }),
      nameservers: [],
      random: () => 0,
      follow: async (_alias, answers, dependsOn): Promise<Resolution> => found(answers, dependsOn),
      lookup: async () => undefined,
    };
    return (await this.#dialect.resolve(asked)).answers.map(({ data }) => data);
  }
}

function trimmed(name: string): string {
  const lower = lowerName(name);
  return lower.endsWith(".") ? lower.slice(0, -1) : lower;
}

function tooMany(tasksMax: number): FabricError {
  return new FabricError(
    "DNS_TOO_MANY_TASKS",
    `list all tasks: there are more than ${tasksMax}; ask for hosts and services by name`,
    { details: { limit: "mesosTasksMax", max: tasksMax } },
  );
}

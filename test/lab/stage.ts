/**
 * A lab with Heddle on it, as the end-to-end tests need it: a server on the first host, an agent on every host,
 * one network, the CNI plugin installed, and what an operator or a workload would ask on a host.
 */

import type { CniResult } from "./cni-result.ts";
import { CniRuntime, type NetworkList, type PluginConf } from "./cni-runtime.ts";
import { type Background, type Finished, waitFor } from "./command.ts";
import type { Container } from "./container.ts";
import { Fabric } from "./fabric.ts";
import type { Host } from "./host.ts";
import { Lab } from "./lab.ts";

export interface StageSpec {
  /** Name of each host → its segment. The first one has the server too. */
  readonly hosts: Readonly<Record<string, number>>;
  /** Pools of the network `demo`. */
  readonly pools?: readonly string[];
  /** More options of the server. */
  readonly server?: readonly string[];
  /** More options of a host's agent. */
  readonly agent?: (host: Host) => readonly string[];
}

/** A container with an interface in the network `demo`. */
export interface Member {
  readonly host: Host;
  readonly container: Container;
  readonly ipv4: string;
  readonly result: CniResult;
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

const network = "demo";
const defaultPools = ["10.90.0.0/16", "fd90::/64"];

export class Stage {
  readonly lab: Lab;
  readonly fabric: Fabric;
  /** As they were before Heddle came. */
  readonly before = new Map<Host, readonly string[]>();
  readonly #hosts = new Map<string, Host>();
  readonly #runtimes = new Map<Host, CniRuntime>();
  readonly #agentOptions: (host: Host) => readonly string[];
  #members = 0;

  static async open(spec: StageSpec): Promise<Stage> {
    const stage = new Stage(spec);
    try {
      await stage.fabric.startServer(...(spec.server ?? []));
      await Promise.all(stage.hosts.map((host) => stage.startAgent(host)));
      const [first] = stage.hosts;
      if (!first) throw new Error("a stage needs a host");
      stage.fabric.ask(first, "network", "create", network, "--pool", ...(spec.pools ?? defaultPools));
      for (const host of stage.hosts) stage.#install(host);
      return stage;
    } catch (error) {
      const logs = stage.fabric.logs();
      await stage.dispose();
      throw new Error(logs, { cause: error });
    }
  }

  private constructor({ hosts, agent = () => [] }: StageSpec) {
    this.lab = new Lab();
    this.#agentOptions = agent;
    for (const [name, segment] of Object.entries(hosts))
      this.#hosts.set(name, this.lab.addHost(name, segment));
    for (const host of this.hosts) this.before.set(host, host.snapshot());
    const [first] = this.hosts;
    if (!first) throw new Error("a stage needs a host");
    this.fabric = new Fabric(first);
  }

  get hosts(): readonly Host[] {
    return [...this.#hosts.values()];
  }

  host(name: string): Host {
    const host = this.#hosts.get(name);
    if (!host) throw new Error(`the stage has no host ${name}`);
    return host;
  }

  startAgent(host: Host): Promise<Background> {
    return this.fabric.startAgent(host, ...this.#agentOptions(host));
  }

  /** The container runtime of a host. */
  cni(host: Host): CniRuntime {
    const runtime = this.#runtimes.get(host);
    if (!runtime) throw new Error(`no CNI plugin is installed on ${host.name}`);
    return runtime;
  }

  /** A runtime of a host with a network list of the test's own. */
  cniWith(host: Host, conf: NetworkList | PluginConf, binDirs: readonly string[] = []): CniRuntime {
    const list =
      "plugins" in conf ? (conf as NetworkList) : { cniVersion: "1.1.0", name: network, plugins: [conf] };
    return new CniRuntime({
      binDirs: [host.binDir, ...binDirs],
      conf: list,
      enter: ["nsenter", `--net=${host.netns}`],
    });
  }

  /** A new container, attached. */
  async attach(host: Host): Promise<Member> {
    const container = this.container(host);
    const result = await this.cni(host).add(container.attachment);
    return { host, container, ipv4: ipv4Of(result), result };
  }

  /** A new container, not attached yet. */
  container(host: Host): Container {
    return host.addContainer(`c${this.#members++}`);
  }

  /** Answers of a name, sorted. */
  dig(host: Host, name: string, ...options: readonly string[]): string[] {
    const { stdout } = this.digWhole(host, "+short", name, ...options);
    return stdout
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith(";"))
      .toSorted();
  }

  /** What dig prints; asks the host's own DNS unless there is an `@` among the options. */
  digWhole(host: Host, ...options: readonly string[]): Finished {
    const server = options.some((option) => option.startsWith("@")) ? [] : ["@127.0.0.1", "-p", "8600"];
    return host.tryRun(["dig", "+tries=1", "+time=2", ...server, ...options]);
  }

  /** A request to the host's own API. */
  async http(host: Host, method: string, path: string, body?: unknown): Promise<HttpAnswer> {
    const data =
      body === undefined ? [] : ["--data-binary", typeof body === "string" ? body : JSON.stringify(body)];
    const curl = [
      "curl",
      "-s",
      "-S",
      "-i",
      "-X",
      method,
      "--max-time",
      "15",
      ...data,
      `http://127.0.0.1:8500${path}`,
    ];
    const { status, stdout, stderr } = await host.runAsync(curl);
    if (status !== 0) throw new Error(`${method} ${path} on ${host.name}: ${stderr}`);
    return parseHttp(stdout);
  }

  async registered(host: Host, service: Readonly<Record<string, unknown>>): Promise<void> {
    const { status, body } = await this.http(host, "PUT", "/v1/agent/service/register", service);
    if (status !== 200) throw new Error(`register on ${host.name}: ${status} ${body}`);
  }

  /** Waits until each of the hosts answers the name with exactly these addresses. */
  async resolves(
    name: string,
    addresses: readonly string[],
    hosts: readonly Host[] = this.hosts,
    timeoutMs = 10_000,
  ): Promise<void> {
    const wanted = addresses.toSorted().join(" ");
    for (const host of hosts)
      await waitFor(
        `${name} on ${host.name} to be "${wanted}"`,
        () => this.dig(host, name).join(" ") === wanted || undefined,
        timeoutMs,
      );
  }

  async dispose(): Promise<void> {
    await this.lab.dispose();
  }

  #install(host: Host): void {
    const { binDir, confDir } = host;
    this.fabric.ask(host, "cni", "install", "--network", network, "--bin-dir", binDir, "--conf-dir", confDir);
    const enter = ["nsenter", `--net=${host.netns}`];
    this.#runtimes.set(host, new CniRuntime({ binDirs: [binDir], conf: confDir, enter }));
  }
}

/** What the second has and the first has not, and the other way round. */
export function difference(before: readonly string[], after: readonly string[]): string[] {
  return [
    ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
  ];
}

export function ipv4Of({ ips = [] }: CniResult): string {
  const [ipv4] = ips.map(({ address }) => address.split("/")[0] ?? "").filter((ip) => ip.includes("."));
  if (!ipv4) throw new Error(`expected an IPv4 address among ${JSON.stringify(ips)}`);
  return ipv4;
}

function parseHttp(text: string): HttpAnswer {
  const [head = "", ...rest] = text.split("\r\n\r\n");
  const [statusLine = "", ...lines] = head.split("\r\n");
  const headers = lines.map(
    (line) =>
      [line.slice(0, line.indexOf(":")).toLowerCase(), line.slice(line.indexOf(":") + 1).trim()] as const,
  );
  return {
    status: Number(statusLine.split(" ")[1]),
    headers: Object.fromEntries(headers),
    body: rest.join("\r\n\r\n"),
  };
}

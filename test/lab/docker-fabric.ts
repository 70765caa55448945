/** Hosts with an agent and a Docker Engine each, in one fabric: what they run, and what they leave. */
import { type Background, waitFor } from "./command.ts";
import { Engine, image } from "./engine.ts";
import { Fabric } from "./fabric.ts";
import type { Host } from "./host.ts";
import { Lab } from "./lab.ts";

/** Seconds until the agents take away what an engine forgot. */
const graceSeconds = 2;

export interface Running {
  readonly host: Host;
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

function pingOf(ip: string): string {
  return `/bin/busybox ${ip.includes(":") ? "ping6" : "ping"} -c1 -W2 ${ip}`;
}

export class DockerFabric {
  readonly lab = new Lab();
  readonly fabric: Fabric;
  readonly hosts: readonly Host[];
  readonly #engines: ReadonlyMap<Host, Engine>;

  /** `flags`: of each engine. */
  constructor(hostCount: number, flags: readonly string[] = []) {
    this.hosts = Array.from({ length: hostCount }, (_, i) => this.lab.addHost(`h${i + 1}`, i + 1));
    this.fabric = new Fabric(this.host(0));
    this.#engines = new Map(this.hosts.map((host) => [host, new Engine(host, { flags })]));
  }

  host(index: number): Host {
    const host = this.hosts[index];
    if (!host) throw new Error(`there is no host ${index}`);
    return host;
  }

  engine(host: Host): Engine {
    const engine = this.#engines.get(host);
    if (!engine) throw new Error(`${host.name} has no engine`);
    return engine;
  }

  /** Server, then agents, then engines. */
  async start(): Promise<void> {
    await this.fabric.startServer();
    await Promise.all(this.hosts.map((host) => this.startAgent(host)));
    await Promise.all(this.hosts.map((host) => this.engine(host).start()));
    for (const host of this.hosts) this.engine(host).loadImage();
  }

  startAgent(host: Host): Promise<Background> {
    const { socketPath, pluginDir } = this.engine(host);
    const docker = [
      "--docker",
      socketPath,
      "--docker-plugin-dir",
      pluginDir,
      "--docker-grace",
      `${graceSeconds}`,
    ];
    return this.fabric.startAgent(host, ...docker, "--log-level", "debug");
  }

  docker(host: Host, ...args: readonly string[]): string {
    return this.engine(host).docker(...args);
  }

  /** The same Docker network on every engine. */
  createNetwork(name: string, ...options: readonly string[]): void {
    for (const host of this.hosts)
      this.docker(host, "network", "create", "-d", "heddle", "--ipam-driver", "heddle", ...options, name);
  }

  run(host: Host, network: string, name: string, ...options: readonly string[]): Running {
    this.docker(
      host,
      "run",
      "-d",
      "--network",
      network,
      "--name",
      name,
      ...options,
      image,
      "/bin/sleep",
      "100000",
    );
    return this.inspect(host, network, name);
  }

  inspect(host: Host, network: string, name: string): Running {
    const format = `{{with index .NetworkSettings.Networks ${JSON.stringify(network)}}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}`;
    const [ipv4 = "", ipv6 = ""] = this.docker(host, "inspect", "-f", format, name).split(" ");
    return { host, name, ipv4, ipv6 };
  }

  /** True when the container gets an answer from each of the addresses. */
  pings({ host, name }: Pick<Running, "host" | "name">, ...ips: readonly string[]): boolean {
    return (
      this.engine(host).tryDocker("exec", name, "/bin/sh", "-c", ips.map(pingOf).join(" && ")).status === 0
    );
  }

  /** The ways on which an answer comes, as `c1 → 10.90.0.2`: all are tried at once, as those without one take 2 s each. */
  async answered(
    ...ways: readonly (readonly [from: Pick<Running, "host" | "name">, ip: string])[]
  ): Promise<readonly string[]> {
    const tried = ways.map(async ([{ host, name }, ip]) => {
      const docker = ["docker", "-H", `unix://${this.engine(host).socketPath}`, "exec", name];
      const { status } = await host.runAsync([...docker, "/bin/sh", "-c", pingOf(ip)], { timeoutMs: 60_000 });
      return status === 0 ? [`${name} → ${ip}`] : [];
    });
    return (await Promise.all(tried)).flat();
  }

  /** Every container of an engine, running or not. */
  removeContainers(host: Host): void {
    const ids = this.docker(host, "ps", "-aq", "--no-trunc").split("\n").filter(Boolean);
    for (const id of ids) this.engine(host).tryDocker("rm", "-f", id);
  }

  /** What the agent of the host still holds for containers, not for the node itself: leases, endpoints, links. Empty when nothing leaked. */
  left(host: Host): readonly string[] {
    const text = host.run([
      "curl",
      "-sf",
      "--unix-socket",
      `${host.runDir}/api.sock`,
      "http://h/v1/heddle/leases",
    ]);
    const leases = (JSON.parse(text) as { ip: string; owner: { containerId: string } }[])
      .filter(({ owner }) => owner.containerId !== "heddle:node")
      .map(({ ip }) => `lease ${ip}`);
    const links = host
      .run(["ip", "-br", "link"])
      .split("\n")
      .filter((line) => /^h[dp][0-9a-f]{12}/.test(line));
    const rules = host.tryRun(["nft", "list", "table", "inet", "heddle"]).stdout.split("\n");
    return [...leases, ...links, ...rules.filter((line) => line.includes("dnat ip"))];
  }

  async nothingLeft(host: Host): Promise<void> {
    let left: readonly string[] = [];
    await waitFor(`nothing to be left on ${host.name}`, () => {
      left = this.left(host);
      return left.length === 0 || undefined;
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${left.join("\n")}`);
    });
  }

  /** Removes all containers, and waits until nothing is left of them. */
  async clear(): Promise<void> {
    for (const host of this.hosts) this.removeContainers(host);
    for (const host of this.hosts) await this.nothingLeft(host);
  }

  async dispose(): Promise<void> {
    for (const host of this.hosts) this.removeContainers(host);
    await Promise.all(this.hosts.map((host) => this.engine(host).stop()));
    await this.lab.dispose();
  }
}

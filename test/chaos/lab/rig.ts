/**
 * The fabric that is hurt, of real processes: three members of etcd, two servers over them, an agent on each of four
 * hosts of two segments which knows both servers, one network, the CNI plugin on each host.
 *
 *     etcd 127.0.0.11 .12 .13 ─ s1 10.77.9.11, s2 10.77.9.12 ─┬─ router ─┬─ h1 h2 (segment 1)
 *                                     (this namespace)        │          └─ h3 h4 (segment 2)
 *
 * Every process can be killed, frozen and cut off by itself, and `heal` undoes all of it.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ApiClient } from "../../../api/index.ts";
import { apiSockets } from "../../../daemon/index.ts";
import { CniRuntime } from "../../lab/cni-runtime.ts";
import { Background, run, tryRun, waitFor } from "../../lab/command.ts";
import { EtcdCluster } from "../../lab/etcd-cluster.ts";
import { heddleCommand } from "../../lab/heddle.ts";
import type { Host } from "../../lab/host.ts";
import { Lab } from "../../lab/lab.ts";
import { wait } from "./faults.ts";

export const network = "demo";
const readyMs = 60_000;
const restartMs = 300;
const [grpcPort, httpPort] = [8502, 8510];

/** What can be hurt: `kill` and `signal` its process, `cut` its way to the others. */
export interface Target {
  readonly name: string;
  kill(): Promise<void>;
  /** Starts it again; does not wait until it is ready. */
  start(): void;
  signal(signal: "SIGSTOP" | "SIGCONT"): void;
  cut(): void;
  join(): void;
}

export class Rig {
  readonly lab: Lab;
  readonly etcd: EtcdCluster;
  readonly hosts: readonly Host[];
  readonly #serverAddresses: readonly string[];
  readonly #processes = new Map<string, Background>();
  /** Those that are to run: one that ends by itself is started again, as a service manager does. */
  readonly #wanted = new Set<Background>();
  /** What ended by itself, with the end of what it said; one line each. */
  readonly ended: string[] = [];
  readonly #runtimes = new Map<Host, CniRuntime>();
  #joinToken = "";

  static async open(): Promise<Rig> {
    const rig = new Rig(await EtcdCluster.start());
    try {
      await rig.#settle();
      return rig;
    } catch (error) {
      const logs = rig.logs();
      await rig.dispose();
      throw new Error(logs, { cause: error });
    }
  }

  private constructor(etcd: EtcdCluster) {
    this.etcd = etcd;
    this.lab = new Lab();
    this.#serverAddresses = this.lab.plugIn("world", 9, [11, 12]);
    this.hosts = [1, 1, 2, 2].map((segment, index) => this.lab.addHost(`h${index + 1}`, segment));
  }

  get servers(): readonly Target[] {
    return this.#serverAddresses.map((address, index) => {
      const name = `s${index + 1}`;
      return {
        ...this.#process(name, () => this.#startServer(name, address)),
        cut: () => {
          run(["nft", "add", "table", "inet", `cut-${name}`]);
          run(["nft", `add chain inet cut-${name} in { type filter hook input priority 0; }`]);
          run(["nft", `add rule inet cut-${name} in iifname world ip daddr ${address} drop`]);
        },
        join: () => void tryRun(["nft", "delete", "table", "inet", `cut-${name}`]),
      };
    });
  }

  get agents(): readonly Target[] {
    return this.hosts.map((host) => ({
      ...this.#process(host.name, () => this.#startAgent(host)),
      cut: () => this.lab.cable(host, false),
      join: () => this.lab.cable(host, true),
    }));
  }

  get members(): readonly Target[] {
    return this.etcd.addresses.map((_, index) => ({
      name: `etcd${index + 1}`,
      kill: () => this.etcd.kill(index),
      start: () => this.etcd.startMember(index),
      signal: (signal) => this.etcd.signal(index, signal),
      cut: () => this.etcd.cutOff(index),
      join: () => this.etcd.join(),
    }));
  }

  get targets(): readonly Target[] {
    return [...this.agents, ...this.servers, ...this.members];
  }

  /** The API of a host's agent, on its socket: a cable says nothing about it. */
  api(host: Host, timeoutMs?: number): ApiClient {
    const address = { kind: "unix", path: join(host.runDir, apiSockets.agent) } as const;
    return new ApiClient(address, timeoutMs === undefined ? {} : { timeoutMs });
  }

  cni(host: Host): CniRuntime {
    const runtime = this.#runtimes.get(host);
    if (!runtime) throw new Error(`no CNI plugin is installed on ${host.name}`);
    return runtime;
  }

  /** Waits until every agent has a server and every server its store. */
  async healthy(timeoutMs: number): Promise<void> {
    for (const index of this.members.keys()) await this.etcd.healthy(index);
    for (const host of this.hosts) {
      await waitFor(
        `a write through ${host.name}`,
        async () => (await this.api(host, 3000).kvPut(`healthy/${host.name}`, "yes")) || undefined,
        timeoutMs,
      );
    }
    await waitFor(
      "all nodes to be alive",
      async () => {
        const nodes = await this.api(this.#firstHost).nodes();
        return nodes.filter(({ alive }) => alive).length === this.hosts.length || undefined;
      },
      timeoutMs,
    );
  }

  /** What the processes wrote to standard error since they last started, the end of it. */
  logs(): string {
    return [...this.#processes]
      .map(([name, { running, stderr }]) => `── ${name}${running ? "" : " (ended)"}\n${stderr.slice(-4000)}`)
      .join("\n");
  }

  async dispose(): Promise<void> {
    this.#wanted.clear();
    for (const process of this.#processes.values()) {
      process.kill("SIGCONT");
      await process.killHard();
    }
    await this.lab.dispose();
    await this.etcd.dispose();
    for (const { join: rejoin } of this.servers) rejoin();
    tryRun(["ip", "link", "delete", "world"]);
  }

  async #settle(): Promise<void> {
    for (const server of this.servers) server.start();
    for (const { name } of this.servers) await this.#ready(name);
    const created = run(this.#heddle("s1", "token", "create", "--uses", "100", "--ttl", "24h", "--json"));
    this.#joinToken = (JSON.parse(created) as { token: string }).token;
    for (const agent of this.agents) agent.start();
    for (const { name } of this.agents) await this.#ready(name);
    await this.api(this.#firstHost).createNetwork({
      name: network,
      pools: [{ cidr: "10.90.0.0/16" }, { cidr: "fd90::/64" }],
    });
    for (const host of this.hosts) {
      const { binDir, confDir } = host;
      host.run(
        host.heddle("cni", "install", "--network", network, "--bin-dir", binDir, "--conf-dir", confDir),
      );
      const enter = ["nsenter", `--net=${host.netns}`];
      this.#runtimes.set(host, new CniRuntime({ binDirs: [binDir], conf: confDir, enter, timeoutMs: 8000 }));
    }
    await this.healthy(readyMs);
  }

  get #firstHost(): Host {
    const [first] = this.hosts;
    if (!first) throw new Error("a rig has hosts");
    return first;
  }

  #process(name: string, start: () => Background): Omit<Target, "cut" | "join"> {
    return {
      name,
      kill: async () => {
        const process = this.#processes.get(name);
        if (!process) return;
        this.#wanted.delete(process);
        await process.killHard();
      },
      start: () => this.#supervise(name, start),
      signal: (signal) => this.#processes.get(name)?.kill(signal),
    };
  }

  #supervise(name: string, start: () => Background): void {
    const process = start();
    this.#processes.set(name, process);
    this.#wanted.add(process);
    void process.ended.then(async (status) => {
      if (!this.#wanted.has(process)) return;
      this.ended.push(`${name} ended with ${status}: ${process.stderr.trim().split("\n").at(-1)}`);
      await wait(restartMs);
      if (this.#wanted.delete(process)) this.#supervise(name, start);
    });
  }

  #startServer(name: string, address: string): Background {
    const places = ["--data-dir", join(this.lab.directory, name, "data")];
    mkdirSync(join(this.lab.directory, name, "run"), { recursive: true });
    const listen = [
      "--grpc",
      `${address}:${grpcPort}`,
      "--http",
      `127.0.0.1:${httpPort + this.#serverAddresses.indexOf(address)}`,
    ];
    return new Background(
      this.#heddle(name, "server", "--store", `etcd:${this.etcd.urls}`, ...listen, ...places, "--json"),
    );
  }

  #startAgent(host: Host): Background {
    const servers = this.#serverAddresses.map((address) => `${address}:${grpcPort}`);
    return host.start(
      host.heddle(
        "agent",
        "--node",
        host.name,
        "--server",
        ...servers,
        "--join-token",
        this.#joinToken,
        "--data-dir",
        host.dataDir,
        "--no-docker",
        "--json",
      ),
    );
  }

  #heddle(name: string, ...args: readonly string[]): string[] {
    const runDir = join(this.lab.directory, name, "run");
    return heddleCommand(...args, "--run-dir", runDir);
  }

  async #ready(name: string): Promise<void> {
    const said = () => {
      const process = this.#processes.get(name);
      if (process?.running === false) throw new Error(`${name} ended:\n${process.stderr}`);
      return process?.stdout.includes("\n") || undefined;
    };
    await waitFor(`${name} to be ready`, said, readyMs);
  }
}

/**
 * The fabric that is hurt, of real processes: three members of etcd, two servers over them, an agent on each of four
 * hosts of two segments which knows both servers, one network, the CNI plugin on each host.
 *
 *     etcd 127.0.0.11 .12 .13 ─ s1 10.77.9.11, s2 10.77.9.12 ─┬─ router ─┬─ h1 h2 (segment 1)
 *                                     (this namespace)        │          └─ h3 h4 (segment 2)
 *
 * Every process can be killed and frozen by itself, and servers and agents have a small disk each. What else can be done
 * to it is in faults/.
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
import { SmallDisk } from "./faults/small-disk.ts";
import { wait } from "./wait.ts";

export const network = "demo";
const readyMs = 60_000;
const restartMs = 300;
/** Of a process that ended by itself. */
const lastWordsMax = 1500;
const [grpcPort, httpPort] = [8502, 8510];
/** Groups of the servers' processes, by which their connections are told apart. */
const firstGroup = 7001;
export interface Server {
  readonly name: string;
  readonly address: string;
  /** Its process's group, and the mark of its connections to the store. */
  readonly group: number;
  /** On loopback of this process's namespace. */
  readonly httpPort: number;
}

export class Rig {
  readonly lab: Lab;
  readonly etcd: EtcdCluster;
  readonly hosts: readonly Host[];
  readonly servers: readonly Server[];
  readonly #disks = new Map<string, SmallDisk>();
  readonly #processes = new Map<string, Background>();
  /** Those that are to run: one that ends by itself is started again, as a service manager does. */
  readonly #wanted = new Set<Background>();
  /** What ended by itself, with the end of what it said. */
  readonly ended: string[] = [];
  readonly #runtimes = new Map<Host, CniRuntime>();
  readonly #onWiped = new Set<(host: Host) => void>();
  /** Each of one node: who lost its disk is let in under its name by no other. */
  readonly #joinTokens = new Map<string, string>();

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
    this.servers = this.lab.plugIn("world", 9, [11, 12]).map((address, index) => ({
      name: `s${index + 1}`,
      address,
      group: firstGroup + index,
      httpPort: httpPort + index,
    }));
    this.hosts = [1, 1, 2, 2].map((segment, index) => this.lab.addHost(`h${index + 1}`, segment));
    for (const { name } of this.servers) {
      mkdirSync(this.#runDir(name), { recursive: true });
      this.#disks.set(name, new SmallDisk(join(this.lab.directory, name, "data")));
    }
    for (const { name, dataDir } of this.hosts) this.#disks.set(name, new SmallDisk(dataDir));
  }

  disk(name: string): SmallDisk {
    const disk = this.#disks.get(name);
    if (!disk) throw new Error(`${name} has no disk of its own`);
    return disk;
  }

  async kill(name: string): Promise<void> {
    const process = this.#processes.get(name);
    if (!process) return;
    this.#wanted.delete(process);
    await process.killHard();
  }

  /** Does not wait until it is ready. */
  start(name: string): void {
    const process = this.#launch(name);
    this.#processes.set(name, process);
    this.#wanted.add(process);
    void process.ended.then(async (status) => {
      if (!this.#wanted.has(process)) return;
      if (!this.#mayRefuseToStart(name, process))
        this.ended.push(`${name} ended with ${status}: ${process.stderr.trim().slice(-lastWordsMax)}`);
      await wait(restartMs);
      if (this.#wanted.delete(process)) this.start(name);
    });
  }

  signal(name: string, signal: "SIGSTOP" | "SIGCONT"): void {
    this.#processes.get(name)?.kill(signal);
  }

  /** Called when the disk of a host was emptied, before anything runs there again. */
  onWiped(listener: (host: Host) => void): void {
    this.#onWiped.add(listener);
  }

  tellWiped(host: Host): void {
    for (const listener of this.#onWiped) listener(host);
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
    for (const index of this.etcd.addresses.keys()) await this.etcd.healthy(index);
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
        const nodes = await this.api(this.firstHost).nodes();
        return nodes.filter(({ alive }) => alive).length === this.hosts.length || undefined;
      },
      timeoutMs,
    );
  }

  get firstHost(): Host {
    const [first] = this.hosts;
    if (!first) throw new Error("a rig has hosts");
    return first;
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
    for (const disk of this.#disks.values()) disk.dispose();
    await this.lab.dispose();
    await this.etcd.dispose();
    const tables = ["owners", ...this.servers.flatMap(({ name }) => [`cut-${name}`, `orphan-${name}`])];
    for (const table of tables) tryRun(["nft", "delete", "table", "inet", table]);
    tryRun(["ip", "link", "delete", "world"]);
  }

  async #settle(): Promise<void> {
    // When they are to be hurt it is too late to learn whose connections these are.
    const marks = this.servers.map(({ group }) => `meta skgid ${group} tcp dport 2379 ct mark set ${group}`);
    const chain = `chain out { type filter hook output priority -10; ${marks.join("; ")}; }`;
    run(["nft", "-f", "-"], { input: `table inet owners {\n${chain}\n}` });
    for (const { name } of this.servers) this.start(name);
    for (const { name } of this.servers) await this.#ready(name);
    for (const { name } of this.hosts) {
      const create = ["token", "create", "--node", name, "--uses", "100", "--ttl", "24h", "--json"];
      const { token } = JSON.parse(run(this.#heddle("s1", ...create))) as { token: string };
      this.#joinTokens.set(name, token);
    }
    for (const { name } of this.hosts) this.start(name);
    for (const { name } of this.hosts) await this.#ready(name);
    await waitFor("the network", () => this.#hasNetwork(), readyMs);
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

  /** Makes it if need be. On a busy machine an agent may have just lost its server. */
  async #hasNetwork(): Promise<true | undefined> {
    const api = this.api(this.firstHost);
    if ((await api.networks()).some(({ name }) => name === network)) return true;
    await api.createNetwork({ name: network, pools: [{ cidr: "10.90.0.0/16" }, { cidr: "fd90::/64" }] });
    return undefined;
  }

  /** Who finds the disk full or its store away at its start says so and ends; who runs goes on. */
  #mayRefuseToStart(name: string, { stdout, stderr }: Background): boolean {
    if (stdout.includes("\n")) return false;
    return this.disk(name).freeBytes === 0 || stderr.includes('"code":"STORE_UNAVAILABLE"');
  }

  #launch(name: string): Background {
    const server = this.servers.find((each) => each.name === name);
    const host = this.hosts.find((each) => each.name === name);
    if (server) return this.#startServer(server);
    if (host) return this.#startAgent(host);
    throw new Error(`nothing is called ${name}`);
  }

  #startServer({ name, address, group, httpPort: port }: Server): Background {
    const listen = ["--grpc", `${address}:${grpcPort}`, "--http", `127.0.0.1:${port}`];
    const places = ["--data-dir", join(this.lab.directory, name, "data")];
    return new Background([
      ...["setpriv", "--regid", `${group}`, "--keep-groups"],
      ...this.#heddle(name, "server", "--store", `etcd:${this.etcd.urls}`, ...listen, ...places, "--json"),
    ]);
  }

  #startAgent(host: Host): Background {
    const servers = this.servers.map(({ address }) => `${address}:${grpcPort}`);
    return host.start(
      host.heddle(
        "agent",
        "--node",
        host.name,
        "--server",
        ...servers,
        "--join-token",
        this.#joinTokens.get(host.name) ?? "",
        "--data-dir",
        host.dataDir,
        "--no-docker",
        "--json",
      ),
    );
  }

  #runDir(name: string): string {
    return join(this.lab.directory, name, "run");
  }

  #heddle(name: string, ...args: readonly string[]): string[] {
    return heddleCommand(...args, "--run-dir", this.#runDir(name));
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

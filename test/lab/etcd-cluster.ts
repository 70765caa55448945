/**
 * A real etcd cluster on loopback addresses of the test's own network namespace: 127.0.0.11, .12, .13. Members are killed,
 * paused, cut off and started again; their data is in a directory of the test.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EtcdStore, type EtcdStoreOptions } from "../../store/etcd/etcd-store.ts";
import { requireWorld } from "../world.ts";
import { Background, run, tryRun, waitFor } from "./command.ts";

export interface EtcdClusterOptions {
  readonly size?: number;
  /** More flags of etcd. */
  readonly flags?: readonly string[];
  readonly scheme?: "http" | "https";
}

const clientPort = 2379;
const peerPort = 2380;

export class EtcdCluster {
  readonly directory: string;
  readonly #flags: readonly string[];
  readonly #scheme: string;
  readonly #hosts: readonly string[];
  readonly #members = new Map<string, Background>();

  private constructor({ size = 3, flags = [], scheme = "http" }: EtcdClusterOptions) {
    this.directory = mkdtempSync(join(tmpdir(), "heddle-etcd-"));
    this.#flags = flags;
    this.#scheme = scheme;
    this.#hosts = Array.from({ length: size }, (_, index) => `127.0.0.${11 + index}`);
  }

  static async start(options: EtcdClusterOptions = {}): Promise<EtcdCluster> {
    requireWorld();
    const cluster = new EtcdCluster(options);
    for (const index of cluster.#hosts.keys()) cluster.startMember(index);
    // The namespace's loopback has no route to TLS names and no client certificate here: a connection is enough.
    if (cluster.#scheme === "http") await cluster.healthy();
    return cluster;
  }

  get addresses(): readonly string[] {
    return this.#hosts.map((host) => `${host}:${clientPort}`);
  }

  /** For `--store`. */
  get urls(): string {
    return this.addresses.map((address) => `${this.#scheme}://${address}`).join(",");
  }

  async healthy(index = 0): Promise<void> {
    await waitFor(
      "etcd to be healthy",
      () => this.ctl(["endpoint", "health"], index).includes("is healthy") || undefined,
    );
  }

  /** etcdctl against one member. */
  ctl(args: readonly string[], index = 0): string {
    const { stdout, stderr, status } = tryRun(
      ["etcdctl", `--endpoints=http://${this.addresses[index]}`, "--command-timeout=3s", ...args],
      { env: { ETCDCTL_API: "3" } },
    );
    if (status !== 0) throw new Error(`etcdctl ${args.join(" ")}: ${stderr}`);
    return stdout + stderr;
  }

  /** Index of the leader. */
  leader(): number {
    for (const index of this.#hosts.keys()) {
      try {
        if (this.ctl(["endpoint", "status", "--write-out=fields"], index).includes('"Leader" : ')) {
          const fields = this.ctl(["endpoint", "status", "--write-out=fields"], index);
          const [, member] = /"MemberID" : (\d+)/.exec(fields) ?? [];
          const [, leader] = /"Leader" : (\d+)/.exec(fields) ?? [];
          if (member === leader) return index;
        }
      } catch {
        // A member that is away leads nobody.
      }
    }
    throw new Error("no member leads");
  }

  startMember(index: number): void {
    const host = this.#hosts[index] ?? "";
    const name = `m${index}`;
    const peer = (each: string) => `http://${each}:${peerPort}`;
    const client = `${this.#scheme}://${host}:${clientPort}`;
    this.#members.set(
      host,
      new Background([
        "etcd",
        "--name",
        name,
        "--data-dir",
        join(this.directory, name),
        "--listen-client-urls",
        client,
        "--advertise-client-urls",
        client,
        "--listen-peer-urls",
        peer(host),
        "--initial-advertise-peer-urls",
        peer(host),
        "--initial-cluster",
        this.#hosts.map((each, at) => `m${at}=${peer(each)}`).join(","),
        "--heartbeat-interval=50",
        "--election-timeout=500",
        "--log-level=error",
        ...this.#flags,
      ]),
    );
  }

  signal(index: number, signal: NodeJS.Signals): void {
    this.#member(index).kill(signal);
  }

  async kill(index: number): Promise<void> {
    await this.#member(index).killHard();
  }

  log(index: number): string {
    return this.#member(index).stderr;
  }

  /** Neither peers nor clients reach it, and nobody is told so. */
  cutOff(index: number): void {
    const host = this.#hosts[index] ?? "";
    run(["nft", "add", "table", "inet", "cut"]);
    run(["nft", "add chain inet cut in { type filter hook input priority 0; }"]);
    // A member alone talks to itself from its own address.
    run(["nft", `add rule inet cut in ip saddr ${host} ip daddr != ${host} drop`]);
    run(["nft", `add rule inet cut in ip daddr ${host} ip saddr != ${host} drop`]);
  }

  join(): void {
    tryRun(["nft", "delete", "table", "inet", "cut"]);
  }

  /** A store under a prefix of its own. */
  open(prefix: string, options: Partial<EtcdStoreOptions> = {}): Promise<EtcdStore> {
    return EtcdStore.open({
      addresses: this.addresses,
      prefix,
      ...options,
    });
  }

  async dispose(): Promise<void> {
    this.join();
    for (const member of this.#members.values()) {
      member.kill("SIGCONT");
      await member.killHard();
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  #member(index: number): Background {
    const member = this.#members.get(this.#hosts[index] ?? "");
    if (!member) throw new Error(`etcd member ${index} was never started`);
    return member;
  }
}

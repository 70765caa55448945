/**
 * Hosts and their underlay, as network namespaces of the test world:
 *
 *     segment 1: 10.77.1.0/24          segment 2: 10.77.2.0/24
 *     h1 ─┬─ bridge s1 ── core (router) ── bridge s2 ─┬─ h3
 *     h2 ─┘                                            └─ h4
 *
 * Hosts of one segment share a switch, hosts of two are reached through the router. Nothing leads out of the
 * world; ending the world ends all of it, `dispose` ends it earlier.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requireWorld } from "../world.ts";
import { run, tryRun } from "./command.ts";
import { Host } from "./host.ts";

const core = "core";
let labCount = 0;

export class Lab {
  readonly directory: string;
  readonly #prefix: string;
  readonly #hosts: Host[] = [];
  readonly #segments = new Set<number>();

  constructor() {
    requireWorld();
    this.#prefix = `l${process.pid}x${labCount++}-`;
    this.directory = mkdtempSync(join(tmpdir(), "heddle-lab-"));
    this.#netns(core);
    run([
      "nsenter",
      `--net=${this.path(core)}`,
      "sysctl",
      "-qw",
      "net.ipv4.ip_forward=1",
      "net.ipv6.conf.all.forwarding=1",
    ]);
  }

  /** Path of a namespace of this lab. */
  path(name: string): string {
    return `/run/netns/${this.#prefix}${name}`;
  }

  /** Makes a host on a segment: its only uplink is `eth0`, with a default route by the router. */
  addHost(name: string, segment: number, mtu = 1500): Host {
    this.#segment(segment, mtu);
    this.#netns(name);
    const number = this.#hosts.length + 10;
    const port = `p-${name}`;
    const inCore = ["nsenter", `--net=${this.path(core)}`];
    const inHost = ["nsenter", `--net=${this.path(name)}`];
    run([
      ...inCore,
      "ip",
      "link",
      "add",
      port,
      "mtu",
      `${mtu}`,
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      `${this.#prefix}${name}`,
      "mtu",
      `${mtu}`,
    ]);
    run([...inCore, "ip", "link", "set", port, "master", `s${segment}`, "up"]);
    run([...inHost, "ip", "addr", "add", `10.77.${segment}.${number}/24`, "dev", "eth0"]);
    run([...inHost, "ip", "-6", "addr", "add", `fd77:0:0:${segment}::${number}/64`, "dev", "eth0", "nodad"]);
    // No duplicate address detection: the host's state must not change by itself while a test compares it.
    run([...inHost, "sysctl", "-qw", "net.ipv6.conf.eth0.accept_dad=0"]);
    run([...inHost, "ip", "link", "set", "eth0", "up"]);
    run([...inHost, "ip", "route", "add", "default", "via", `10.77.${segment}.1`]);
    run([...inHost, "ip", "-6", "route", "add", "default", "via", `fd77:0:0:${segment}::1`]);
    const host = new Host({
      name,
      netns: this.path(name),
      address: `10.77.${segment}.${number}`,
      directory: join(this.directory, name),
      prefix: `${this.#prefix}${name}-`,
    });
    this.#hosts.push(host);
    return host;
  }

  /** Takes the cable of a host out, or puts it back. */
  cable(host: Host, connected: boolean): void {
    run([
      "nsenter",
      `--net=${this.path(core)}`,
      "ip",
      "link",
      "set",
      `p-${host.name}`,
      connected ? "up" : "down",
    ]);
  }

  /**
   * Plugs the namespace of this process itself into a segment, with these addresses: what runs here, such as a store
   * on loopback, is then beside the hosts and behind a cable of its own.
   */
  plugIn(name: string, segment: number, hosts: readonly number[]): readonly string[] {
    this.#segment(segment, 1500);
    const inCore = ["nsenter", `--net=${this.path(core)}`, "ip", "link"];
    const peer = ["type", "veth", "peer", "name", name, "netns", `${process.pid}`];
    run([...inCore, "add", `p-${name}`, ...peer]);
    run([...inCore, "set", `p-${name}`, "master", `s${segment}`, "up"]);
    run(["ip", "link", "set", name, "up"]);
    const addresses = hosts.map((host) => `10.77.${segment}.${host}`);
    for (const address of addresses) run(["ip", "address", "add", `${address}/24`, "dev", name]);
    run(["ip", "route", "add", "10.77.0.0/16", "via", `10.77.${segment}.1`]);
    return addresses;
  }

  async dispose(): Promise<void> {
    for (const host of this.#hosts) await host.dispose();
    for (const host of this.#hosts) tryRun(["ip", "netns", "delete", `${this.#prefix}${host.name}`]);
    tryRun(["ip", "netns", "delete", `${this.#prefix}${core}`]);
    rmSync(this.directory, { recursive: true, force: true });
  }

  #netns(name: string): void {
    run(["ip", "netns", "add", `${this.#prefix}${name}`]);
    run(["nsenter", `--net=${this.path(name)}`, "ip", "link", "set", "lo", "up"]);
  }

  #segment(segment: number, mtu: number): void {
    if (this.#segments.has(segment)) return;
    this.#segments.add(segment);
    const inCore = ["nsenter", `--net=${this.path(core)}`];
    run([...inCore, "ip", "link", "add", `s${segment}`, "mtu", `${mtu}`, "type", "bridge"]);
    run([...inCore, "ip", "addr", "add", `10.77.${segment}.1/24`, "dev", `s${segment}`]);
    run([...inCore, "ip", "-6", "addr", "add", `fd77:0:0:${segment}::1/64`, "dev", `s${segment}`, "nodad"]);
    run([...inCore, "ip", "link", "set", `s${segment}`, "up"]);
  }
}

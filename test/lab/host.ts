/** One host of a lab: commands in its namespace, its own directories, containers, and what the kernel holds. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Background, type Finished, type RunOptions, run, runAsync, tryRun } from "./command.ts";
import { Container } from "./container.ts";
import { heddleCommand } from "./heddle.ts";

export interface HostSpec {
  readonly name: string;
  readonly netns: string;
  /** IPv4 address on the underlay. */
  readonly address: string;
  readonly directory: string;
  /** Begins the names of this host's containers' namespaces. */
  readonly prefix: string;
}

export class Host {
  readonly name: string;
  readonly netns: string;
  readonly address: string;
  readonly dataDir: string;
  readonly runDir: string;
  readonly binDir: string;
  readonly confDir: string;
  readonly #prefix: string;
  readonly #processes: Background[] = [];
  readonly #containers: Container[] = [];

  constructor(spec: HostSpec) {
    this.name = spec.name;
    this.netns = spec.netns;
    this.address = spec.address;
    this.#prefix = spec.prefix;
    this.dataDir = join(spec.directory, "data");
    this.runDir = join(spec.directory, "run");
    this.binDir = join(spec.directory, "cni-bin");
    this.confDir = join(spec.directory, "cni-conf");
    for (const directory of [this.dataDir, this.runDir, this.binDir, this.confDir])
      mkdirSync(directory, { recursive: true });
  }

  run(command: readonly string[], options: RunOptions = {}): string {
    return run([...this.#enter, ...command], options);
  }

  tryRun(command: readonly string[], options: RunOptions = {}): Finished {
    return tryRun([...this.#enter, ...command], options);
  }

  runAsync(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return runAsync([...this.#enter, ...command], options);
  }

  /** Starts a program in the background of this host; it ends with the host at the latest. */
  start(command: readonly string[], env: Readonly<Record<string, string>> = {}): Background {
    const process = new Background([...this.#enter, ...command], env);
    this.#processes.push(process);
    return process;
  }

  /** The command line of Heddle on this host, with this host's directories. */
  heddle(...args: readonly string[]): string[] {
    return heddleCommand(...args, "--run-dir", this.runDir);
  }

  get containers(): readonly Container[] {
    return this.#containers;
  }

  addContainer(name: string): Container {
    const container = new Container(`${this.#prefix}${name}`);
    this.#containers.push(container);
    return container;
  }

  /** Links, addresses, routes, rules, neighbours made by hand, nft and namespaces' names, as sorted text lines. */
  snapshot(): string[] {
    const commands = [
      ["ip", "-o", "link"],
      ["ip", "-o", "addr"],
      ["ip", "route", "show", "table", "all"],
      ["ip", "-6", "route", "show", "table", "all"],
      ["ip", "rule"],
      ["ip", "-6", "rule"],
      ["ip", "neigh", "show", "nud", "permanent"],
      ["nft", "list", "ruleset"],
      ["sysctl", "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"],
    ];
    return commands
      .flatMap((command) => this.run(command).split("\n").map(withoutCounters))
      .filter((line) => line !== "")
      .toSorted();
  }

  async dispose(): Promise<void> {
    for (const process of this.#processes) await process.killHard();
    for (const container of this.#containers) await container.dispose();
  }

  get #enter(): string[] {
    return ["nsenter", `--net=${this.netns}`];
  }
}

/** Drops what changes by itself: lifetimes, timers, counters. */
function withoutCounters(line: string): string {
  return line
    .replace(/packets \d+ bytes \d+/g, "")
    .replace(/(valid_lft|preferred_lft|expires) \S+/g, "")
    .replace(/\s+/g, " ")
    .trim();
}

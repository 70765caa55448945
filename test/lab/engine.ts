/**
 * A real Docker Engine on a host of a lab: its own mount namespace, directories and socket, started, killed and
 * asked through its command line. `/run/docker` is its own too, since plugins are found there. The mounts outlive the
 * engine, as those of a machine do: live restore finds its containers' namespaces again. Everything of it ends with
 * the world.
 */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Background, type Finished, run, tryRun, waitFor } from "./command.ts";
import type { Host } from "./host.ts";

/** The image that `loadImage` makes: busybox with links for its programs. */
export const image = "busybox:lab";
const applets = [
  "sh",
  "sleep",
  "httpd",
  "nslookup",
  "wget",
  "cat",
  "test",
  "rm",
  "touch",
  "echo",
  "ip",
  "true",
];

/** The world has a /sys of its own, in which the control groups must be mounted again: of version 1, or 2 where there is no other. */
const cgroups = [
  "mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup",
  "names=$(cut -d: -f2 /proc/self/cgroup | grep . || true)",
  "for each in $names; do name=$(echo $each | sed s/^name=//); mkdir /sys/fs/cgroup/$name; mount -t cgroup -o $each cgroup /sys/fs/cgroup/$name; done",
  'if [ -z "$names" ]; then mount -t cgroup2 cgroup2 /sys/fs/cgroup; fi',
];

export interface EngineOptions {
  /** More flags of dockerd. */
  readonly flags?: readonly string[];
}

/** Docker repeats each call to a plugin that is away for up to 30 s, and a stop makes three of them. */
const timeoutMs = 100_000;
/** An engine gives its containers 10 s to end, and 5 s more to itself. */
const stopMs = 20_000;

export class Engine {
  readonly host: Host;
  readonly socketPath: string;
  /** Where this engine looks for plugins, as everybody else sees it. */
  readonly pluginDir: string;
  /** Its own /etc/docker/plugins, as everybody else sees it. */
  readonly specDir: string;
  readonly #directory: string;
  readonly #flags: readonly string[];
  #room: Background | undefined;
  #process: Background | undefined;

  constructor(host: Host, { flags = [] }: EngineOptions = {}) {
    this.host = host;
    this.#directory = join(host.dataDir, "..", "docker");
    this.socketPath = join(this.#directory, "docker.sock");
    this.pluginDir = join(this.#directory, "run", "plugins");
    this.#flags = flags;
    this.specDir = join(this.#directory, "spec");
    const etc = ["etc/docker/plugins", "etc-work"].map((name) => join(this.#directory, name));
    for (const each of [this.pluginDir, this.specDir, ...etc]) mkdirSync(each, { recursive: true });
  }

  /** Resolves when its API answers. */
  async start(): Promise<void> {
    const at = (name: string) => join(this.#directory, name);
    // Nobody reaps orphans in the world: a killed containerd would look alive by its pid file.
    for (const name of ["pid", "exec/containerd/containerd.pid"]) rmSync(at(name), { force: true });
    const dockerd = [
      "dockerd",
      `--data-root=${at("data")}`,
      `--exec-root=${at("exec")}`,
      `--host=unix://${this.socketPath}`,
      `--pidfile=${at("pid")}`,
      ...this.#flags,
    ];
    this.#room ??= await this.#makeRoom();
    const process = this.host.start(["nsenter", `--mount=/proc/${this.#room.pid}/ns/mnt`, ...dockerd]);
    this.#process = process;
    await waitFor("the Docker Engine to answer", () => {
      if (!process.running) throw new Error(process.stderr.slice(-2000));
      return this.tryDocker("version").status === 0 || undefined;
    });
  }

  /** Holds the mounts. */
  async #makeRoom(): Promise<Background> {
    const at = (name: string) => join(this.#directory, name);
    const steps = [
      "mount --make-rprivate /",
      ...cgroups,
      "mkdir -p /run/docker",
      `mount --bind ${at("run")} /run/docker`,
      `mount -t overlay -o lowerdir=/etc,upperdir=${at("etc")},workdir=${at("etc-work")} etc /etc`,
      `mount --bind ${this.specDir} /etc/docker/plugins`,
      `touch ${at("room")}`,
      "exec sleep infinity",
    ];
    const room = this.host.start(["unshare", "--mount", "sh", "-ec", steps.join("\n")]);
    await waitFor("the mounts of an engine", () => {
      if (!room.running) throw new Error(room.stderr);
      return existsSync(at("room")) || undefined;
    });
    return room;
  }

  /** Without a warning, containerd with it: what ran goes on or not, as it pleases. */
  async killHard(): Promise<void> {
    await this.#process?.killHard();
  }

  /** Asks it to end, which ends its containers unless it has live restore, and waits for that. */
  async stop(): Promise<void> {
    await this.#process?.stop(stopMs);
  }

  docker(...args: readonly string[]): string {
    return run(["docker", "-H", `unix://${this.socketPath}`, ...args], { timeoutMs }).trim();
  }

  tryDocker(...args: readonly string[]): Finished {
    return tryRun(["docker", "-H", `unix://${this.socketPath}`, ...args], { timeoutMs });
  }

  loadImage(): void {
    const root = join(this.#directory, "root");
    mkdirSync(join(root, "bin"), { recursive: true });
    run(["cp", "/bin/busybox", join(root, "bin/busybox")]);
    for (const applet of applets) run(["ln", "-sf", "busybox", join(root, "bin", applet)]);
    const docker = `docker -H unix://${this.socketPath} import - ${image}`;
    run(["sh", "-ec", `tar -C ${root} -c . | ${docker}`]);
  }

  log(): string {
    return this.#process?.stderr ?? "";
  }
}

/**
 * A container runtime's half of CNI, by the specification's section 3: runs the plugins of a list in order and
 * hands each the result of the one before; DEL in reverse with the result of ADD; CHECK, STATUS, GC. What a
 * plugin prints is held to the specification, so that every test which attaches a container checks it too.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type CniResult, checkError, checkResult, checkVersions } from "./cni-result.ts";

export interface CniRuntimeOptions {
  /** Searched in order; also CNI_PATH. */
  readonly binDirs: readonly string[];
  /** Directory of configurations: the first by name is used. Or the list itself. */
  readonly conf: string | NetworkList;
  /** Put before each plugin's command, as `["nsenter", "--net=…"]` for a host of a lab. */
  readonly enter?: readonly string[];
  readonly timeoutMs?: number;
}

export interface NetworkList {
  readonly cniVersion: string;
  /** The newest of these and of `cniVersion` is spoken. */
  readonly cniVersions?: readonly string[];
  readonly name: string;
  readonly plugins: readonly PluginConf[];
}

export interface PluginConf {
  readonly type: string;
  readonly capabilities?: Readonly<Record<string, boolean>>;
  readonly [key: string]: unknown;
}

export interface Attachment {
  readonly containerId: string;
  /** Empty when it is gone. */
  readonly netns: string;
  /** Default `eth0`. */
  readonly ifname?: string;
  /** CNI_ARGS. */
  readonly args?: string;
  /** Runtime data by capability; a plugin gets what it declares. */
  readonly capabilityArgs?: Readonly<Record<string, unknown>>;
}

export interface PluginRun {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A plugin answered with an error of the specification. */
export class CniCallError extends Error {
  readonly code: number;
  readonly details: string;

  constructor(call: string, code: number, msg: string, details = "") {
    super(`${call}: error ${code}: ${msg}`);
    this.code = code;
    this.details = details;
  }
}

export class CniRuntime {
  readonly list: NetworkList;
  readonly #options: CniRuntimeOptions;
  readonly #results = new Map<string, { readonly attachment: Attachment; readonly result: CniResult }>();

  constructor(options: CniRuntimeOptions) {
    this.#options = options;
    const list = typeof options.conf === "string" ? loadFirst(options.conf) : options.conf;
    const [newest = list.cniVersion] = [list.cniVersion, ...(list.cniVersions ?? [])].toSorted().reverse();
    this.list = { ...list, cniVersion: newest };
  }

  /** What ADD answered, for those that are attached. */
  get attachments(): readonly Attachment[] {
    return [...this.#results.values()].map(({ attachment }) => attachment);
  }

  /** A failed ADD is followed by DEL, as the specification wants it. */
  async add(attachment: Attachment): Promise<CniResult> {
    let result: CniResult | undefined;
    try {
      for (const plugin of this.list.plugins) {
        const stdout = await this.#call("ADD", plugin, attachment, result);
        result = checkResult(stdout, this.list.cniVersion, { main: plugin === this.list.plugins[0] });
      }
    } catch (error) {
      await this.del(attachment).catch(() => undefined);
      throw error;
    }
    if (!result) throw new Error(`network list ${this.list.name} has no plugins`);
    this.#results.set(keyOf(attachment), { attachment, result });
    return result;
  }

  async del(attachment: Attachment): Promise<void> {
    const cached = this.#results.get(keyOf(attachment))?.result;
    for (const plugin of this.list.plugins.toReversed()) {
      await this.#call("DEL", plugin, attachment, cached);
    }
    this.#results.delete(keyOf(attachment));
  }

  async check(attachment: Attachment): Promise<void> {
    const cached = this.#results.get(keyOf(attachment))?.result;
    for (const plugin of this.list.plugins) await this.#call("CHECK", plugin, attachment, cached);
  }

  async status(): Promise<void> {
    for (const plugin of this.list.plugins) await this.#call("STATUS", plugin);
  }

  /** Everything that is not listed goes; default: what this runtime attached stays. */
  async gc(valid: readonly Attachment[] = this.attachments): Promise<void> {
    const attachments = valid.map(({ containerId, ifname = "eth0" }) => ({
      containerID: containerId,
      ifname,
    }));
    const extra = { "cni.dev/valid-attachments": attachments, "cni.dev/attachments": attachments };
    for (const plugin of this.list.plugins) await this.#call("GC", { ...plugin, ...extra });
  }

  /** Versions that the plugin says it speaks. */
  async version(type: string): Promise<readonly string[]> {
    return checkVersions(await this.#call("VERSION", { type }));
  }

  /** Runs one plugin with whatever variables and input, and answers what it did. */
  run(type: string, variables: Readonly<Record<string, string>>, stdin: string): Promise<PluginRun> {
    const { binDirs, enter = [], timeoutMs = 60_000 } = this.#options;
    const path = binDirs.map((directory) => join(directory, type)).find((file) => existsSync(file));
    if (!path) throw new Error(`no plugin ${type} in ${binDirs.join(":")}`);
    const command = [...enter, path];
    return new Promise((resolve, reject) => {
      const env = { PATH: process.env["PATH"] ?? "", CNI_PATH: binDirs.join(":"), ...variables };
      const child = spawn(command[0] ?? path, command.slice(1), { env, timeout: timeoutMs });
      let [stdout, stderr] = ["", ""];
      child.stdout.on("data", (data) => (stdout += data));
      child.stderr.on("data", (data) => (stderr += data));
      child.on("error", reject);
      child.on("close", (status) => resolve({ status: status ?? 128, stdout, stderr }));
      child.stdin.on("error", () => undefined);
      child.stdin.end(stdin);
    });
  }

  async #call(
    command: string,
    plugin: PluginConf,
    attachment?: Attachment,
    prevResult?: CniResult,
  ): Promise<string> {
    const { cniVersion, name } = this.list;
    const { capabilities = {}, ...rest } = plugin;
    const declared = Object.entries(attachment?.capabilityArgs ?? {}).filter(([key]) => capabilities[key]);
    const config = {
      ...rest,
      cniVersion,
      name,
      ...(declared.length > 0 ? { runtimeConfig: Object.fromEntries(declared) } : {}),
      ...(prevResult ? { prevResult } : {}),
    };
    const variables = { CNI_COMMAND: command, ...(attachment ? variablesOf(attachment) : {}) };
    const { status, stdout, stderr } = await this.run(plugin.type, variables, JSON.stringify(config));
    if (status === 0) return stdout;
    const { code, msg, details } = checkError(
      stdout,
      `${plugin.type} ${command} (status ${status}) ${stderr}`,
    );
    throw new CniCallError(`${plugin.type} ${command}`, code, msg, details);
  }
}

/** The first list, or the first single configuration as a list of one, by file name. */
function loadFirst(directory: string): NetworkList {
  const [first] = readdirSync(directory)
    .filter((name) => /\.(conflist|conf|json)$/.test(name))
    .toSorted();
  if (!first) throw new Error(`no network configuration in ${directory}`);
  const conf = JSON.parse(readFileSync(join(directory, first), "utf8")) as NetworkList & PluginConf;
  if (conf.plugins) return conf;
  return { cniVersion: conf.cniVersion, name: conf.name, plugins: [conf] };
}

function variablesOf({ containerId, netns, ifname = "eth0", args }: Attachment): Record<string, string> {
  return {
    CNI_CONTAINERID: containerId,
    CNI_IFNAME: ifname,
    ...(netns === "" ? {} : { CNI_NETNS: netns }),
    ...(args === undefined ? {} : { CNI_ARGS: args }),
  };
}

function keyOf({ containerId, ifname = "eth0" }: Attachment): string {
  return `${containerId}/${ifname}`;
}

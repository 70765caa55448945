/**
 * Puts the plugin binary and a network configuration where container runtimes look, and takes exactly those
 * away again. Each file appears whole or not at all (written beside, then renamed), the binary first, so
 * that no runtime reads a configuration whose plugin is missing.
 *
 * A file is ours when its content says so: the binary carries its signature, the list begins with a plugin
 * of type `heddle`. A file of that name that is not ours is never overwritten or removed.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { FabricError } from "../../errors/index.ts";
import { pluginType } from "./config.ts";
import { buildShim, isShim } from "./shim/index.ts";
import { cniVersions, newestCniVersion } from "./version.ts";

export interface CniInstallOptions {
  /** Of the agent. */
  readonly socketPath: string;
  /** Default /opt/cni/bin. */
  readonly binDir?: string;
  /** Default /etc/cni/net.d. */
  readonly confDir?: string;
  /** Name of the configuration; default the network's. */
  readonly name?: string;
  /** Which network containers join; default `default`. */
  readonly network?: string;
  /** Changes nothing and answers what would be done. */
  readonly dryRun?: boolean;
}

/** What was done, or would be, to one file. */
export interface InstallAction {
  readonly kind: "write" | "keep" | "remove";
  readonly path: string;
}

const binaryName = pluginType;
const listName = "10-heddle.conflist";

interface OwnFile {
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
  readonly isOurs: (content: Uint8Array) => boolean;
}

/** Idempotent. @throws CNI_FILE_FOREIGN before anything is changed, CNI_SHIM_UNSUPPORTED */
export function installCni(options: CniInstallOptions): readonly InstallAction[] {
  const files = ownFiles(options);
  const states = files.map((file) => ({ file, state: stateOf(file) }));
  return states.map(({ file, state }) => {
    if (state === "same") return { kind: "keep", path: file.path };
    if (!options.dryRun) writeWhole(file);
    return { kind: "write", path: file.path };
  });
}

/** Idempotent; the configuration goes first. @throws CNI_FILE_FOREIGN before anything is changed */
export function uninstallCni(options: CniInstallOptions): readonly InstallAction[] {
  const present = ownFiles(options)
    .filter((file) => stateOf(file) !== "absent")
    .reverse();
  return present.map(({ path }) => {
    if (!options.dryRun) rmSync(path, { force: true });
    return { kind: "remove", path };
  });
}

/** The network configuration list that `installCni` writes. */
export function conflist({ name, network = "default" }: Pick<CniInstallOptions, "name" | "network">): object {
  return {
    cniVersion: newestCniVersion,
    cniVersions,
    name: name ?? network,
    plugins: [{ type: pluginType, network, capabilities: { ips: true, mac: true } }],
  };
}

function ownFiles(options: CniInstallOptions): readonly OwnFile[] {
  const { socketPath, binDir = "/opt/cni/bin", confDir = "/etc/cni/net.d" } = options;
  return [
    { path: join(binDir, binaryName), mode: 0o755, content: buildShim({ socketPath }), isOurs: isShim },
    {
      path: join(confDir, listName),
      mode: 0o644,
      content: Buffer.from(`${JSON.stringify(conflist(options), undefined, 2)}\n`),
      isOurs: isOurList,
    },
  ];
}

function stateOf({ path, mode, content, isOurs }: OwnFile): "absent" | "same" | "other" {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return "absent";
  const present = stat.isFile() ? readFileSync(path) : undefined;
  if (!present || !isOurs(present)) {
    throw new FabricError(
      "CNI_FILE_FOREIGN",
      `install the CNI plugin: ${path} exists and is not Heddle's; move it away, or use another directory`,
      { details: { path } },
    );
  }
  return present.equals(content) && (stat.mode & 0o777) === mode ? "same" : "other";
}

function writeWhole({ path, mode, content }: OwnFile): void {
  mkdirSync(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(beside, content, { flush: true });
    chmodSync(beside, mode);
    renameSync(beside, path);
  } catch (error) {
    rmSync(beside, { force: true });
    throw error;
  }
}

function isOurList(content: Uint8Array): boolean {
  try {
    const list = JSON.parse(Buffer.from(content).toString()) as { plugins?: { type?: unknown }[] };
    return list.plugins?.[0]?.type === pluginType;
  } catch {
    return false;
  }
}

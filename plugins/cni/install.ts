/**
 * Puts the plugin binary and a network configuration where container runtimes look, and takes exactly those
 * away again. Each file appears whole or not at all (written beside, then renamed), the binary first, so
 * that no runtime reads a configuration whose plugin is missing.
 *
 * A file is ours when its content says so: the binary carries its signature, the list has one plugin, of type
 * `heddle`, with no key that we do not write. A list that an operator has added to stays as it is. A file of
 * that name that is foreign stops both before anything is changed.
 */
import { readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import * as z from "zod";
import { FabricError } from "../../errors/index.ts";
import { makeDirectory, replaceFile } from "../../files/index.ts";
import { pluginType } from "./config.ts";
import { buildShim, isShim } from "./shim/index.ts";
import { type CniVersion, cniVersions } from "./version.ts";

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
/** Runtimes take the newest of `cniVersions` that they know; those from before 1.1.0 know this field only. */
const listVersion: CniVersion = "1.0.0";

type Owner = "ours" | "edited" | "foreign";

interface OwnFile {
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
  readonly ownerOf: (content: Uint8Array) => Owner;
}

/** Idempotent. @throws CNI_FILE_FOREIGN before anything is changed, CNI_SHIM_UNSUPPORTED, CNI_INSTALL_FAILED, FILES_DIRECTORY_FAILED */
export function installCni(options: CniInstallOptions): readonly InstallAction[] {
  const files = ownFiles(options).map((file) => ({ file, state: stateOf(file) }));
  return files.map(({ file, state }) => {
    if (state === "same" || state === "edited") return { kind: "keep", path: file.path };
    if (!options.dryRun) {
      makeDirectory(dirname(file.path), 0o755);
      attempt("write", file.path, () => replaceFile(file.path, file.content, file.mode));
    }
    return { kind: "write", path: file.path };
  });
}

/** Idempotent; the configuration goes first. @throws CNI_FILE_FOREIGN before anything is changed, CNI_INSTALL_FAILED */
export function uninstallCni(options: CniInstallOptions): readonly InstallAction[] {
  const files = ownFiles(options).map(({ path, ...file }) => ({ path, state: stateOf({ path, ...file }) }));
  const present = files.filter(({ state }) => state !== "absent").toReversed();
  return present.map(({ path, state }) => {
    if (state === "edited") return { kind: "keep", path };
    if (!options.dryRun) attempt("remove", path, () => rmSync(path, { force: true }));
    return { kind: "remove", path };
  });
}

/** The network configuration list that `installCni` writes. */
export function conflist({ name, network = "default" }: Pick<CniInstallOptions, "name" | "network">): object {
  return {
    cniVersion: listVersion,
    cniVersions,
    name: name ?? network,
    plugins: [{ type: pluginType, network, capabilities: { ips: true, mac: true } }],
  };
}

function ownFiles(options: CniInstallOptions): readonly OwnFile[] {
  const { socketPath, binDir = "/opt/cni/bin", confDir = "/etc/cni/net.d" } = options;
  return [
    {
      path: join(binDir, binaryName),
      mode: 0o755,
      content: buildShim({ socketPath }),
      ownerOf: (content) => (isShim(content) ? "ours" : "foreign"),
    },
    {
      path: join(confDir, listName),
      mode: 0o644,
      content: Buffer.from(`${JSON.stringify(conflist(options), undefined, 2)}\n`),
      ownerOf: ownerOfList,
    },
  ];
}

function stateOf({ path, mode, content, ownerOf }: OwnFile): "absent" | "same" | "outdated" | "edited" {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) return "absent";
  const present = stat.isFile() ? attempt("read", path, () => readFileSync(path)) : undefined;
  const owner = present ? ownerOf(present) : "foreign";
  if (owner === "foreign") {
    throw new FabricError(
      "CNI_FILE_FOREIGN",
      `install the CNI plugin: ${path} exists and is not Heddle's; move it away, or use another directory`,
      { details: { path } },
    );
  }
  if (owner === "edited") return "edited";
  return present?.equals(content) && (stat.mode & 0o777) === mode ? "same" : "outdated";
}

function attempt<T>(what: string, path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw new FabricError(
      "CNI_INSTALL_FAILED",
      `${what} ${path}: ${cause instanceof Error ? cause.message : String(cause)}; run as root, or use another directory`,
      { cause, details: { path } },
    );
  }
}

const ownList = z.strictObject({
  cniVersion: z.string(),
  cniVersions: z.array(z.string()),
  name: z.string(),
  plugins: z.tuple([
    z.strictObject({
      type: z.literal(pluginType),
      network: z.string(),
      capabilities: z.record(z.string(), z.boolean()),
    }),
  ]),
});

const heddleList = z.looseObject({ plugins: z.array(z.looseObject({ type: z.string() })) });

function ownerOfList(content: Uint8Array): Owner {
  const list = parseJson(content);
  if (ownList.safeParse(list).success) return "ours";
  const { data } = heddleList.safeParse(list);
  return data?.plugins.some(({ type }) => type === pluginType) ? "edited" : "foreign";
}

function parseJson(content: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString());
  } catch {
    return undefined;
  }
}

/**
 * Who this node is, made once and kept in the data directory: its id and the MAC of its tunnel end. A node
 * that lost its disk is another node: it gets a new id, and the fabric gives it a new epoch.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import {
  familyOf,
  type Ip,
  isHostLabel,
  isLinkLocal,
  isLoopback,
  type Mac,
  parseIp,
  parseMac,
  privateMac,
} from "../../addr/index.ts";
import { FabricError, isFabricError } from "../../errors/index.ts";
import { makeDirectory, writeWhole } from "../../files/index.ts";
import type { Kernel } from "../../kernel/index.ts";

export interface NodeIdentity {
  readonly name: string;
  readonly id: string;
  readonly vtepMac: Mac;
  /** Where other nodes reach this one, the advertised address first. */
  readonly underlay: readonly [Ip, ...Ip[]];
}

export interface IdentityOptions {
  readonly dataDir: string;
  readonly node?: string;
  readonly advertise?: string;
}

/** @throws DAEMON_OPTION_INVALID, DAEMON_IDENTITY_DAMAGED, FILES_DIRECTORY_FAILED, FILES_WRITE_FAILED */
export async function nodeIdentity(kernel: Kernel, options: IdentityOptions): Promise<NodeIdentity> {
  const name = (options.node ?? hostname().split(".")[0] ?? "").toLowerCase();
  if (!isHostLabel(name)) {
    throw new FabricError(
      "DAEMON_OPTION_INVALID",
      `name this node ${JSON.stringify(name)}: expected letters, digits and hyphens, at most 63; give one with --node`,
    );
  }
  return { name, ...kept(options.dataDir), underlay: await underlayOf(kernel, options.advertise) };
}

function kept(dataDir: string): { id: string; vtepMac: Mac } {
  const path = join(dataDir, "node.json");
  if (existsSync(path)) return read(path);
  const made = { id: randomUUID(), vtepMac: privateMac(randomBytes(6)) };
  makeDirectory(dataDir, 0o700);
  writeWhole(path, `${JSON.stringify(made)}\n`, 0o600);
  return made;
}

function read(path: string): { id: string; vtepMac: Mac } {
  try {
    const { id, vtepMac } = JSON.parse(readFileSync(path, "utf8")) as { id?: unknown; vtepMac?: unknown };
    if (typeof id === "string") return { id, vtepMac: parseMac(String(vtepMac)) };
    throw damaged(path, "it has no id");
  } catch (cause) {
    if (isFabricError(cause, "DAEMON_IDENTITY_DAMAGED")) throw cause;
    throw damaged(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function damaged(path: string, reason: string, cause?: unknown): FabricError {
  return new FabricError(
    "DAEMON_IDENTITY_DAMAGED",
    `read who this node is from ${path}: ${reason}; put it back from a backup, or remove it and the node joins as another one`,
    { cause, details: { path } },
  );
}

/**
 * The advertised address; else those that the default routes leave from; else any that is not link-local. A host
 * without one is a fabric of its own and goes by its loopback address.
 */
async function underlayOf(kernel: Kernel, advertise: string | undefined): Promise<NodeIdentity["underlay"]> {
  const own = (await kernel.addresses()).map(({ ip }) => ip);
  if (advertise !== undefined) {
    const ip = parseIp(advertise);
    if (!own.includes(ip))
      throw new FabricError(
        "DAEMON_OPTION_INVALID",
        `advertise ${ip}: this node does not have that address; it has ${own.join(", ")}`,
      );
    return [ip];
  }
  const sources = await Promise.all(
    ["192.0.2.1", "2001:db8::1"].map((target) => sourceTowards(kernel, parseIp(target))),
  );
  const [first, ...others] = sources.filter((ip) => ip !== undefined);
  if (first) return [first, ...others];
  const usable = own.find((ip) => !isLoopback(ip) && !isLinkLocal(ip));
  return [usable ?? parseIp("127.0.0.1")];
}

/** The address this host would speak from; documentation addresses stand for "anywhere" and nothing is sent. */
async function sourceTowards(kernel: Kernel, target: Ip): Promise<Ip | undefined> {
  try {
    return (await kernel.routeTo(target)).source;
  } catch (error) {
    if (isFabricError(error, "KERNEL_REFUSED")) return undefined;
    throw error;
  }
}

/** The addresses of a node under the names that Consul's agents give them. */
export function taggedAddresses([first, ...more]: NodeIdentity["underlay"]): Readonly<
  Record<string, string>
> {
  const families = [first, ...more].flatMap((ip) => [
    [`lan_ipv${familyOf(ip)}`, ip],
    [`wan_ipv${familyOf(ip)}`, ip],
  ]);
  return { lan: first, wan: first, ...Object.fromEntries(families) };
}

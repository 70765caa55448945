/**
 * Networks: named pools with a policy, and the rules that a new one must keep.
 *
 * Always holds for a stored network: no two pools of the fabric overlap (so an address names one pool), no
 * pool touches a range with a meaning of its own, and a block fits into its pool.
 *
 * Block size, unless given: 64 addresses (/26, /122, as Calico), but at most a sixteenth of the pool, so
 * that nodes can share a small one: /24 → /28, /28 and smaller → single addresses. A small block costs more
 * claims and more routes; a large one strands free addresses on nodes that do not need them.
 */
import {
  type Cidr,
  cidrContains,
  cidrContainsCidr,
  cidrFamily,
  cidrOverlaps,
  cidrPrefix,
  type Family,
  familyBits,
  type Ip,
  parseCidr,
  parseIp,
} from "../../addr/index.ts";
import { FabricError } from "../../errors/index.ts";

export type NetworkBackend = "auto" | "direct" | "vxlan";
/** With whom its containers talk: each other and the outside; also all open networks; only each other. */
export type NetworkPolicy = "isolated" | "open" | "internal";

export interface PoolRecord {
  readonly cidr: Cidr;
  readonly blockPrefix: number;
  /** Never handed out. Routed networks need none: a container's gateway is link-local. */
  readonly gateway?: Ip;
  /** Parts of the pool that belong to others: never handed out, not even by name. */
  readonly exclude?: readonly Cidr[];
}

/** Stored at `ipam/networks/<name>`. */
export interface NetworkRecord {
  readonly name: string;
  readonly pools: readonly PoolRecord[];
  readonly backend: NetworkBackend;
  readonly mtu?: number;
  readonly masquerade: boolean;
  readonly policy: NetworkPolicy;
  /** Rises with every network made, so that it tells two of the same name and pools apart. */
  readonly createdAtMs: number;
  /** Being deleted: no claim succeeds any more. */
  readonly deleting?: true;
}

/** What an operator writes. Text is parsed here, at the edge. */
export interface NetworkSpec {
  readonly name: string;
  readonly pools: readonly {
    readonly cidr: string;
    readonly blockPrefix?: number;
    readonly gateway?: string;
    readonly exclude?: readonly string[];
  }[];
  /** Default `auto`. */
  readonly backend?: NetworkBackend;
  readonly mtu?: number;
  /** Default true. */
  readonly masquerade?: boolean;
  /** Default `isolated`. */
  readonly policy?: NetworkPolicy;
}

export const poolsMax = 8;
export const excludesMax = 64;
/** A node copies a block's map on each change, so blocks stay small. */
export const blockAddressesMax = 4096;
const mtuMin = 1280;
const mtuMax = 65_535;
const nameGrammar = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$/;

const reserved: readonly (readonly [Cidr, string])[] = (
  [
    ["0.0.0.0/8", '"this network" (RFC 1122)'],
    ["127.0.0.0/8", "loopback"],
    ["169.254.0.0/16", "link-local (RFC 3927), where the containers' gateway is"],
    ["224.0.0.0/4", "multicast"],
    ["240.0.0.0/4", "reserved and broadcast (RFC 1112)"],
    ["::/8", "loopback, IPv4-mapped and reserved (RFC 4291)"],
    ["fe80::/10", "link-local (RFC 4291)"],
    ["ff00::/8", "multicast"],
  ] as const
).map(([cidr, meaning]) => [parseCidr(cidr), meaning] as const);

/** Checks what an operator wrote and fills in defaults. @throws IPAM_NETWORK_INVALID */
export function defineNetwork(spec: NetworkSpec, createdAtMs: number): NetworkRecord {
  const fail = (why: string, cause?: unknown) =>
    new FabricError("IPAM_NETWORK_INVALID", `create network ${JSON.stringify(spec.name)}: ${why}`, { cause });
  if (!nameGrammar.test(spec.name)) {
    throw fail(
      "the name must be 1-63 letters, digits, dots, hyphens or underscores, beginning with a letter or digit",
    );
  }
  if (spec.pools.length < 1 || spec.pools.length > poolsMax) throw fail(`give 1-${poolsMax} pools`);
  if (spec.mtu !== undefined && !isWithin(spec.mtu, mtuMin, mtuMax)) {
    throw fail(`the MTU must be ${mtuMin}-${mtuMax}`);
  }
  const pools = spec.pools.map((pool) => definePool(pool, fail));
  for (const [i, pool] of pools.entries()) {
    const other = pools.slice(0, i).find((earlier) => cidrOverlaps(earlier.cidr, pool.cidr));
    if (other) throw fail(`its pools ${other.cidr} and ${pool.cidr} overlap`);
  }
  return {
    name: spec.name,
    pools,
    backend: spec.backend ?? "auto",
    ...(spec.mtu === undefined ? {} : { mtu: spec.mtu }),
    masquerade: spec.masquerade ?? true,
    policy: spec.policy ?? "isolated",
    createdAtMs,
  };
}

function definePool(spec: NetworkSpec["pools"][number], fail: Fail): PoolRecord {
  const cidr = parsed(spec.cidr, parseCidr, fail);
  const family = cidrFamily(cidr);
  const clash = reserved.find(([range]) => cidrOverlaps(range, cidr));
  if (clash) throw fail(`pool ${cidr} touches ${clash[0]}: ${clash[1]}; choose another range`);
  const blockPrefix = spec.blockPrefix ?? defaultBlockPrefix(cidr);
  const largest = Math.max(cidrPrefix(cidr), familyBits(family) - Math.log2(blockAddressesMax));
  if (!isWithin(blockPrefix, largest, familyBits(family))) {
    throw fail(
      `blocks of /${blockPrefix} do not suit pool ${cidr}; blockPrefix must be ${largest}-${familyBits(family)}`,
    );
  }
  return {
    cidr,
    blockPrefix,
    ...(spec.gateway === undefined ? {} : { gateway: gatewayOf(cidr, spec.gateway, fail) }),
    ...(spec.exclude === undefined ? {} : { exclude: excludesOf(cidr, spec.exclude, fail) }),
  };
}

function gatewayOf(pool: Cidr, text: string, fail: Fail): Ip {
  const gateway = parsed(text, parseIp, fail);
  if (!cidrContains(pool, gateway)) throw fail(`gateway ${gateway} is outside of pool ${pool}`);
  return gateway;
}

/** Parts inside of another are dropped, so that what remains can be counted. */
function excludesOf(pool: Cidr, texts: readonly string[], fail: Fail): readonly Cidr[] {
  if (texts.length > excludesMax) throw fail(`exclude at most ${excludesMax} ranges of pool ${pool}`);
  const ranges = [...new Set(texts.map((text) => parsed(text, parseCidr, fail)))];
  const stray = ranges.find((range) => !cidrContainsCidr(pool, range));
  if (stray) throw fail(`excluded range ${stray} is outside of pool ${pool}`);
  return ranges.filter((range) => !ranges.some((other) => other !== range && cidrContainsCidr(other, range)));
}

/** See the module's header. */
export function defaultBlockPrefix(pool: Cidr): number {
  const bits = familyBits(cidrFamily(pool));
  return Math.max(bits - 6, Math.min(cidrPrefix(pool) + 4, bits));
}

/** @throws IPAM_NETWORK_INVALID if a pool of `network` overlaps one of `others` */
export function checkPlan(network: NetworkRecord, others: readonly NetworkRecord[]): void {
  for (const other of others) {
    for (const pool of network.pools) {
      const clash = other.pools.find((taken) => cidrOverlaps(taken.cidr, pool.cidr));
      if (!clash) continue;
      throw new FabricError(
        "IPAM_NETWORK_INVALID",
        `create network "${network.name}": pool ${pool.cidr} overlaps ${clash.cidr} of network "${other.name}"; choose another range`,
        { details: { network: network.name, pool: pool.cidr, other: other.name, otherPool: clash.cidr } },
      );
    }
  }
}

export function familiesOf(network: NetworkRecord): readonly Family[] {
  return [...new Set(network.pools.map((pool) => cidrFamily(pool.cidr)))];
}

export function poolsOfFamily(network: NetworkRecord, family: Family): readonly PoolRecord[] {
  return network.pools.filter((pool) => cidrFamily(pool.cidr) === family);
}

/** The pool of the network that `ip` lies in. @throws IPAM_ADDRESS_OUTSIDE */
export function poolOf(network: NetworkRecord, ip: Ip): PoolRecord {
  const pool = network.pools.find((candidate) => cidrContains(candidate.cidr, ip));
  if (pool) return pool;
  throw new FabricError(
    "IPAM_ADDRESS_OUTSIDE",
    `take address ${ip} of network "${network.name}": it is in none of its pools (${network.pools
      .map((candidate) => candidate.cidr)
      .join(", ")}); ask for one of those`,
    { details: { network: network.name, ip } },
  );
}

type Fail = (why: string, cause?: unknown) => FabricError;

function parsed<T>(text: string, parse: (text: string) => T, fail: Fail): T {
  try {
    return parse(text);
  } catch (cause) {
    throw fail(cause instanceof FabricError ? cause.message : "it cannot be parsed", cause);
  }
}

function isWithin(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

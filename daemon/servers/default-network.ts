/**
 * The network that a new fabric begins with, so that the first container needs no preparation: `default`, with
 * an IPv4 pool that this host does not use yet and an IPv6 pool of a random unique local prefix (RFC 4193).
 */
import { randomBytes } from "node:crypto";
import { networkInterfaces } from "node:os";
import {
  type Cidr,
  cidrFromIp,
  cidrOverlaps,
  ipFromBytes,
  parseCidr,
  parseIpWithPrefix,
} from "../../addr/index.ts";
import { isFabricError } from "../../errors/index.ts";
import type { PoolAuthority } from "../../ipam/index.ts";
import type { Store } from "../../store/index.ts";

const name = "default";
/** Seldom used by hosts and by other container systems. */
const candidates = ["10.72.0.0/16", "10.172.0.0/16", "172.29.0.0/16", "192.168.72.0/22"].map((text) =>
  parseCidr(text),
);

/** Makes it in a store that nothing was ever written to; an operator who removes it does not get it back. */
export async function createDefaultNetwork(store: Store, pools: PoolAuthority): Promise<void> {
  const { items } = await store.range("", { limit: 1, keysOnly: true });
  if (items.length > 0) return;
  const occupied = hostBlocks();
  const free = candidates.find((candidate) => !occupied.some((block) => cidrOverlaps(block, candidate)));
  const cidrs = [...(free ? [free] : []), uniqueLocalBlock(randomBytes(5))];
  try {
    await pools.createNetwork({ name, pools: cidrs.map((cidr) => ({ cidr })) });
  } catch (error) {
    if (!isFabricError(error, "IPAM_NETWORK_EXISTS")) throw error;
  }
}

/** fd00::/8, 40 random bits, subnet 0. */
export function uniqueLocalBlock(random: Uint8Array): Cidr {
  const bytes = new Uint8Array(16);
  bytes[0] = 0xfd;
  bytes.set(random.subarray(0, 5), 1);
  return cidrFromIp(ipFromBytes(bytes), 64);
}

function hostBlocks(): readonly Cidr[] {
  return Object.values(networkInterfaces()).flatMap((entries) =>
    (entries ?? []).flatMap(({ cidr }) => {
      if (cidr === null || cidr.includes("%")) return [];
      const { ip, prefix } = parseIpWithPrefix(cidr);
      return [cidrFromIp(ip, prefix)];
    }),
  );
}

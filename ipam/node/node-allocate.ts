/**
 * One allocation, decided from what the node holds. Either every family of the request gets its address in
 * one step, or nothing changes and the effects say what to claim first: an allocation is never half done.
 */

import { type Cidr, cidrContainsCidr, cidrFamily, type Family, familyOf, type Ip } from "../../addr/index.ts";
import { FabricError } from "../../errors/index.ts";
import { fencedError, fenceStatus } from "../fence.ts";
import {
  type AddressLease,
  type AllocateRequest,
  familiesOf,
  inUse,
  isSameOwner,
  isUsable,
  type LeaseOwner,
  type NetworkRecord,
  networkNotFound,
  poolOf,
  poolsOfFamily,
  reservedAddress,
  showOwner,
} from "../plan/index.ts";
import { type Block, cellOf, nextFree } from "./block.ts";
import { blockHolding, type NodeState, type StateDraft, type StepContext } from "./node-state.ts";
import type { NodeEffect } from "./node-step.ts";

/** Longest container id or interface name that is taken. */
export const ownerTextMax = 256;

type Choice =
  | { readonly kind: "take"; readonly ip: Ip; readonly isStatic: boolean }
  | { readonly kind: "have"; readonly lease: AddressLease }
  | { readonly kind: "need"; readonly effect: NodeEffect };

export function allocate(
  draft: StateDraft,
  request: AllocateRequest,
  network: NetworkRecord | undefined,
  context: StepContext,
): readonly NodeEffect[] {
  try {
    const action = `allocate address in network "${request.network}" for ${showOwner(request.owner)}`;
    const fence = fenceStatus(draft.state.term, context.nowMs, context.marginMs);
    if (fence.kind === "fenced") throw fencedError(action, fence.why);
    if (!network || network.deleting) throw networkNotFound("use", request.network);
    const picks = wantedFamilies(network, request).map((family) =>
      pick(draft.state, network, request, family),
    );
    const needs = picks.flatMap((one) => (one.kind === "need" ? [one.effect] : []));
    if (needs.length > 0) return needs;
    const leases = picks.flatMap((one) => {
      if (one.kind !== "take") return one.kind === "have" ? [one.lease] : [];
      const lease: AddressLease = {
        network: network.name,
        ip: one.ip,
        pool: poolOf(network, one.ip).cidr,
        owner: request.owner,
        epoch: fence.epoch,
        allocatedAtMs: context.wallMs,
        isStatic: one.isStatic,
      };
      if (draft.state.rests.has(one.ip)) draft.drop("rest", one.ip);
      draft.put({ kind: "lease", lease });
      return [lease];
    });
    return [{ kind: "answer", leases }];
  } catch (error) {
    if (!(error instanceof FabricError)) throw error;
    return [{ kind: "refuse", error }];
  }
}

/** @throws IPAM_REQUEST_INVALID */
function wantedFamilies(network: NetworkRecord, request: AllocateRequest): readonly Family[] {
  const invalid = (why: string) =>
    new FabricError(
      "IPAM_REQUEST_INVALID",
      `allocate address in network "${network.name}" for ${showOwner(request.owner)}: ${why}`,
    );
  const { containerId, ifname } = request.owner;
  if ([containerId, ifname].some((text) => text.length < 1 || text.length > ownerTextMax)) {
    throw invalid(`container id and interface name must have 1-${ownerTextMax} characters`);
  }
  const named = (request.addresses ?? []).map(familyOf);
  if (new Set(named).size < named.length) throw invalid("ask for at most one address of each family");
  const families = new Set([...(request.families ?? familiesOf(network)), ...named]);
  for (const family of families) {
    if (poolsOfFamily(network, family).length === 0 && !named.includes(family)) {
      throw invalid(`the network has no IPv${family} pool`);
    }
  }
  if (families.size === 0) throw invalid("ask for at least one family");
  return [...families].sort((a, b) => a - b);
}

function pick(state: NodeState, network: NetworkRecord, request: AllocateRequest, family: Family): Choice {
  const named = request.addresses?.find((ip) => familyOf(ip) === family);
  const lease = leaseOf(state, network.name, request.owner, family);
  if (lease && named !== undefined && lease.ip !== named) {
    throw new FabricError(
      "IPAM_OWNER_HAS_ADDRESS",
      `take address ${named} of network "${network.name}": ${showOwner(request.owner)} holds ${lease.ip} already; release that first`,
      { details: { network: network.name, ip: named, held: lease.ip } },
    );
  }
  if (lease) return { kind: "have", lease };
  return named === undefined
    ? pickAny(state, network, family, request.within)
    : pickNamed(state, network, request.owner, named);
}

function leaseOf(
  state: NodeState,
  network: string,
  owner: LeaseOwner,
  family: Family,
): AddressLease | undefined {
  for (const lease of state.leases.values()) {
    if (lease.network === network && cidrFamily(lease.pool) === family && isSameOwner(lease.owner, owner)) {
      return lease;
    }
  }
  return undefined;
}

function pickAny(state: NodeState, network: NetworkRecord, family: Family, range: Cidr | undefined): Choice {
  const within = range !== undefined && cidrFamily(range) === family ? range : undefined;
  const pools = poolsOfFamily(network, family)
    .map((pool) => pool.cidr)
    .filter((pool) => within === undefined || cidrContainsCidr(pool, within));
  if (within !== undefined && pools.length === 0) throw outside(network, within);
  for (const pool of pools) {
    for (const block of state.blocks.values()) {
      const { claim } = block;
      if (claim.pool !== pool || !isBlockOf(network, block)) continue;
      if (within !== undefined && !cidrContainsCidr(within, claim.cidr)) continue;
      const ip = nextFree(block);
      if (ip !== undefined) return { kind: "take", ip, isStatic: false };
    }
  }
  const effect = { kind: "claim block", network: network.name, pools } as const;
  return { kind: "need", effect: within === undefined ? effect : { ...effect, within } };
}

function outside({ name, pools }: NetworkRecord, range: Cidr): FabricError {
  const list = pools.map(({ cidr }) => cidr).join(", ");
  return new FabricError(
    "IPAM_REQUEST_INVALID",
    `allocate an address of ${range} in network "${name}": it is no part of a pool (${list}); choose a range inside of one`,
    { details: { network: name, range } },
  );
}

/** Not if the network was deleted by force and made again: its blocks may belong to other nodes now. */
function isBlockOf(network: NetworkRecord, block: Block): boolean {
  const { claim } = block;
  return claim.network === network.name && claim.networkCreatedAtMs === network.createdAtMs;
}

/** In the node's own block it is taken at once; elsewhere, or if the claim left it out, the store decides. */
function pickNamed(state: NodeState, network: NetworkRecord, owner: LeaseOwner, ip: Ip): Choice {
  const pool = poolOf(network, ip);
  if (!isUsable(pool, ip)) throw reservedAddress(network.name, ip);
  const holder = state.leases.get(ip);
  if (holder) throw inUse(ip, network.name, `container ${showOwner(holder.owner)} of this node holds it`);
  const rest = state.rests.get(ip);
  if (rest && !isSameOwner(rest.owner, owner)) {
    throw inUse(
      ip,
      network.name,
      `it rests after its release by container ${showOwner(rest.owner)} of this node`,
    );
  }
  const take: Choice = { kind: "take", ip, isStatic: true };
  const held = state.statics.get(ip);
  if (held?.releasing)
    throw inUse(ip, network.name, "it is being given back by this node; try again shortly");
  if (held) {
    if (rest || isSameOwner(held.claim.owner, owner)) return take;
    throw inUse(
      ip,
      network.name,
      `container ${showOwner(held.claim.owner)} of this node is about to take it`,
    );
  }
  const found = blockHolding(state, ip);
  const block = found && isBlockOf(network, found) ? found : undefined;
  if (block?.releasing) throw inUse(ip, network.name, "its block is being given back; try again shortly");
  if (block && cellOf(block, ip) !== "reserved") return take;
  return { kind: "need", effect: { kind: "claim static", network: network.name, ip, owner } };
}

/**
 * Claims of single addresses that somebody asked for by name, outside of the node's blocks.
 *
 * A static claim and a block claim must see each other, though they stand under different keys. Both compare
 * the block's hold record: a static claim writes its address there and needs the block to be unclaimed (or
 * the node's own), a block claim needs the hold unchanged and leaves the addresses in it out.
 */

import type { Ip } from "../../addr/index.ts";
import type { Operation, Store } from "../../store/index.ts";
import {
  type BlockClaim,
  blockOfIp,
  decide,
  encodeRecord,
  inUse,
  ipamKeys,
  isSameOwner,
  isUsable,
  type LeaseOwner,
  type NodeTerm,
  poolOf,
  readTogether,
  reservedAddress,
  type StaticClaim,
  showOwner,
  transaction,
} from "../plan/index.ts";
import { offsetOf } from "../recovery/index.ts";
import { type BlockHold, isSameClaim, standing } from "./block-claims.ts";
import { checkTerm } from "./node-terms.ts";

export interface ClaimStaticRequest {
  readonly network: string;
  readonly ip: Ip;
  readonly owner: LeaseOwner;
}

/**
 * Idempotent for the same node, epoch and owner.
 * @throws IPAM_STALE_EPOCH, IPAM_NETWORK_NOT_FOUND, IPAM_ADDRESS_OUTSIDE, IPAM_ADDRESS_RESERVED, IPAM_ADDRESS_IN_USE
 */
export async function claimStatic(
  store: Store,
  node: string,
  epoch: number,
  request: ClaimStaticRequest,
): Promise<StaticClaim> {
  const { network: name, ip, owner } = request;
  return decide(store, `claim address ${ip} for node "${node}"`, async () => {
    const networkKey = ipamKeys.network(name);
    const network = standing(await readTogether(store, [networkKey]), name);
    const pool = poolOf(network, ip);
    if (!isUsable(pool, ip)) throw reservedAddress(name, ip);
    const block = blockOfIp(pool, ip);
    const keys = {
      term: ipamKeys.node(node),
      network: networkKey,
      static: ipamKeys.static(name, ip),
      block: ipamKeys.block(name, block),
      hold: ipamKeys.hold(name, block),
      recovery: ipamKeys.recovery,
    };
    const snapshot = await readTogether(store, Object.values(keys));
    const offset = offsetOf(snapshot, `claim address ${ip} for node "${node}"`);
    checkTerm(snapshot.get<NodeTerm>(keys.term), node, epoch);
    const again = standing(snapshot, name);
    if (again.createdAtMs !== network.createdAtMs) return { kind: "again" };
    const held = snapshot.get<StaticClaim>(keys.static);
    if (held) {
      if (held.node === node && held.epoch === epoch && isSameOwner(held.owner, owner)) {
        return { kind: "answer", answer: held };
      }
      throw inUse(ip, name, `container ${showOwner(held.owner)} of node "${held.node}" holds it`, held.node);
    }
    const holder = snapshot.get<BlockClaim>(keys.block);
    if (holder && (holder.node !== node || holder.epoch !== epoch)) {
      throw inUse(ip, name, `it lies in block ${block}, which node "${holder.node}" owns`, holder.node);
    }
    const claim: StaticClaim = {
      network: name,
      pool: pool.cidr,
      block,
      ip,
      node,
      epoch,
      serial: snapshot.revision + 1 + offset,
      owner,
    };
    const hold = snapshot.get<BlockHold>(keys.hold);
    return {
      kind: "write",
      txn: transaction(
        Object.values(keys).map((key) => snapshot.unchanged(key)),
        [
          { op: "put", key: keys.static, value: encodeRecord(claim) },
          { op: "put", key: keys.hold, value: encodeRecord({ ips: [...(hold?.ips ?? []), ip] }) },
        ],
      ),
      answer: () => claim,
    };
  });
}

/** Gives an address back. Nothing happens if that very claim is gone already. */
export async function releaseStatic(store: Store, claim: StaticClaim): Promise<void> {
  const key = ipamKeys.static(claim.network, claim.ip);
  const holdKey = ipamKeys.hold(claim.network, claim.block);
  await decide(store, `release address ${claim.ip}`, async () => {
    const snapshot = await readTogether(store, [key, holdKey]);
    const stored = snapshot.get<StaticClaim>(key);
    if (!stored || !isSameClaim(stored, claim)) return { kind: "answer", answer: undefined };
    const ips = (snapshot.get<BlockHold>(holdKey)?.ips ?? []).filter((ip) => ip !== claim.ip);
    const updateHold: Operation =
      ips.length === 0
        ? { op: "delete", key: holdKey }
        : { op: "put", key: holdKey, value: encodeRecord({ ips }) };
    return {
      kind: "write",
      txn: transaction(
        [snapshot.unchanged(key), snapshot.unchanged(holdKey)],
        [{ op: "delete", key }, updateHold],
      ),
      answer: () => undefined,
    };
  });
}

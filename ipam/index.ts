/**
 * The address plan. Servers run a `PoolAuthority` over the store: networks, terms of nodes, claims of blocks
 * and of addresses asked for by name. Nodes run a `NodeIpam` over their journal: it allocates inside of the
 * node's blocks without asking anybody.
 */

export type { ClaimBlockRequest } from "./block-claims.ts";
export type { BlockSource, EmptyBlocksRequest } from "./block-source.ts";
export { systemBootClock } from "./boot-clock.ts";
export type {
  AddressLease,
  AllocateRequest,
  BlockClaim,
  LeaseOwner,
  NodeTerm,
  PoolStatus,
  StaticClaim,
} from "./claims.ts";
export {
  type BootClock,
  type BootInstant,
  type FenceStatus,
  marginDefaultMs,
  reclaimAfterDefaultMs,
} from "./fence.ts";
export type { JournalChange, JournalRecord, LeaseJournal } from "./lease-journal.ts";
export { ipamLimits } from "./limits.ts";
export {
  defineNetwork,
  familiesOf,
  type NetworkBackend,
  type NetworkPolicy,
  type NetworkRecord,
  type NetworkSpec,
  type PoolRecord,
} from "./network.ts";
export { NodeIpam, type NodeIpamOptions } from "./node-ipam.ts";
export { PoolAuthority, type PoolAuthorityOptions } from "./pool-authority.ts";
export type { PoolUse } from "./pool-use.ts";
export type { ReclaimedTerm } from "./reclaim.ts";
export { ipamKeys } from "./records.ts";
export type { ClaimStaticRequest } from "./static-claims.ts";
export { storeLeaseJournal } from "./store-lease-journal.ts";

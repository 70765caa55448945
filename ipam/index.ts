/**
 * The address plan. Servers run a `PoolAuthority` over the store: networks, terms of nodes, claims of blocks
 * and of addresses asked for by name. Nodes run a `NodeIpam` over their journal: it allocates inside of the
 * node's blocks without asking anybody.
 */

export {
  type ClaimBlockRequest,
  type ClaimStaticRequest,
  PoolAuthority,
  type PoolAuthorityOptions,
  type PoolUse,
  type ReclaimedTerm,
} from "./authority/index.ts";
export type { BlockSource, EmptyBlocksRequest } from "./block-source.ts";
export { systemBootClock } from "./boot-clock.ts";
export {
  type BootClock,
  type BootInstant,
  type FenceStatus,
  marginDefaultMs,
  reclaimAfterDefaultMs,
} from "./fence.ts";
export { ipamLimits } from "./limits.ts";
export {
  type JournalChange,
  type JournalRecord,
  type LeaseJournal,
  NodeIpam,
  type NodeIpamOptions,
  storeLeaseJournal,
} from "./node/index.ts";
export {
  type AddressLease,
  type AllocateRequest,
  type BlockClaim,
  defineNetwork,
  familiesOf,
  ipamKeys,
  type LeaseOwner,
  type NetworkBackend,
  type NetworkPolicy,
  type NetworkRecord,
  type NetworkSpec,
  type NodeTerm,
  type PoolRecord,
  type PoolStatus,
  type StaticClaim,
} from "./plan/index.ts";
export {
  type Conflict,
  encodeStatement,
  gatheringMark,
  isGathering,
  peersAfter,
  type Rebuilt,
  Recovery,
  type RecoveryStatus,
  type Restated,
  type Statement,
} from "./recovery/index.ts";

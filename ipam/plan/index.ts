/** What is said of addresses: networks, claims, their records, and how several are read as one. */
export {
  type AddressLease,
  type AllocateRequest,
  type BlockClaim,
  isSameOwner,
  type LeaseOwner,
  type NodeTerm,
  type PoolStatus,
  type StaticClaim,
  showOwner,
} from "./claims.ts";
export {
  blockAddressesMax,
  checkPlan,
  defineNetwork,
  excludesMax,
  familiesOf,
  type NetworkBackend,
  type NetworkPolicy,
  type NetworkRecord,
  type NetworkSpec,
  type PoolRecord,
  poolOf,
  poolsMax,
  poolsOfFamily,
} from "./network.ts";
export {
  attemptsMax,
  type Decision,
  decide,
  readAll,
  readStored,
  readTogether,
  type Snapshot,
  type Stored,
  transaction,
} from "./plan-reader.ts";
export { blockOfIp, blocksFrom, isUsable, unusableIn, usableCount } from "./pool-layout.ts";
export { decodeRecord, encodeRecord, ipamKeys } from "./records.ts";
export { inUse, networkNotFound, reservedAddress } from "./refusals.ts";

/** The node's side: an allocator over its journal. */
export { waitingStepsMax } from "./commit-queue.ts";
export type { JournalChange, JournalRecord, LeaseJournal } from "./lease-journal.ts";
export { ownerTextMax } from "./node-allocate.ts";
export {
  claimsPerAllocationMax,
  NodeIpam,
  type NodeIpamOptions,
  quarantineDefaultMs,
  tickIntervalMs,
} from "./node-ipam.ts";
export { renewalJournalIntervalMs } from "./node-step.ts";
export { storeLeaseJournal } from "./store-lease-journal.ts";

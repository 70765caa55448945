/** Bounds and times of the address plan, each where it is used, gathered for who shows or documents them. */
import { waitingStepsMax } from "./commit-queue.ts";
import { marginDefaultMs, reclaimAfterDefaultMs } from "./fence.ts";
import { blockAddressesMax, excludesMax, poolsMax } from "./network.ts";
import { networksMax } from "./network-plan.ts";
import { ownerTextMax } from "./node-allocate.ts";
import { claimsPerAllocationMax, quarantineDefaultMs, tickIntervalMs } from "./node-ipam.ts";
import { renewalJournalIntervalMs } from "./node-step.ts";
import { retiredTermsMax } from "./node-terms.ts";
import { attemptsMax } from "./plan-reader.ts";

export const ipamLimits = {
  networksMax,
  poolsMax,
  excludesMax,
  blockAddressesMax,
  ownerTextMax,
  waitingStepsMax,
  claimsPerAllocationMax,
  attemptsMax,
  retiredTermsMax,
  reclaimAfterMs: reclaimAfterDefaultMs,
  marginMs: marginDefaultMs,
  quarantineMs: quarantineDefaultMs,
  tickIntervalMs,
  renewalJournalIntervalMs,
} as const;

/** Bounds and times of the address plan, each where it is used, gathered for who shows or documents them. */

import { networksMax, retiredTermsMax } from "./authority/index.ts";
import { marginDefaultMs, reclaimAfterDefaultMs } from "./fence.ts";
import {
  claimsPerAllocationMax,
  ownerTextMax,
  quarantineDefaultMs,
  renewalJournalIntervalMs,
  tickIntervalMs,
  waitingStepsMax,
} from "./node/index.ts";
import { attemptsMax, blockAddressesMax, excludesMax, poolsMax } from "./plan/index.ts";
import { peersMax, statementBytesMax } from "./recovery/index.ts";

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
  peersMax,
  statementBytesMax,
  reclaimAfterMs: reclaimAfterDefaultMs,
  marginMs: marginDefaultMs,
  quarantineMs: quarantineDefaultMs,
  tickIntervalMs,
  renewalJournalIntervalMs,
} as const;

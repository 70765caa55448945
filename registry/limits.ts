/** Bounds and times of a server's registry, each where it is used, gathered for who shows or documents them. */
import { writesPerTxnMax } from "./catalog-writer.ts";
import { writesQueuedMax } from "./keyed-queue.ts";
import { prefixIndexesMax } from "./kv-index.ts";
import { kvKeyBytesMax, kvValueBytesMax } from "./kv-writer.ts";
import { ownWriteWaitMaxMs } from "./registry-writer.ts";
import { tombstonesMax } from "./tombstones.ts";
import { waitersMax } from "./waiters.ts";

export const registryLimits = {
  kvKeyBytesMax,
  kvValueBytesMax,
  waitersMax,
  writesQueuedMax,
  writesPerTxnMax,
  ownWriteWaitMaxMs,
  prefixIndexesMax,
  tombstonesMax,
} as const;

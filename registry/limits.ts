/** Bounds and times of a server's registry, each where it is used, gathered for who shows or documents them. */
import { writesPerTxnMax } from "./catalog-writer.ts";
import { eventPayloadBytesMax, eventsMax, eventTextBytesMax } from "./event-writer.ts";
import { writesQueuedMax } from "./keyed-queue.ts";
import { prefixIndexesMax } from "./kv-index.ts";
import { kvKeyBytesMax, kvValueBytesMax } from "./kv-writer.ts";
import { lockDelayMaxMs, lockDelaysMax } from "./lock-delays.ts";
import { sessionChecksMax, sessionNameBytesMax, sessionTtlMaxMs, sessionTtlMinMs } from "./plan-session.ts";
import { queriesMax, queryBytesMax } from "./query-writer.ts";
import { ownWriteWaitMaxMs } from "./registry-writer.ts";
import { endsInFlightMax } from "./session-keeper.ts";
import { sessionsMax } from "./session-writer.ts";
import { tombstonesMax } from "./tombstones.ts";
import { txnOperationsMax } from "./txn-model.ts";
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
  txnOperationsMax,
  queriesMax,
  queryBytesMax,
  eventsMax,
  eventPayloadBytesMax,
  eventTextBytesMax,
  sessionsMax,
  sessionTtlMinMs,
  sessionTtlMaxMs,
  sessionChecksMax,
  sessionNameBytesMax,
  endsInFlightMax,
  lockDelayMaxMs,
  lockDelaysMax,
} as const;

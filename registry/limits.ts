/** Bounds and times of a server's registry, each where it is used, gathered for who shows or documents them. */
import { aclTextBytesMax, grantsPerTokenMax, policiesMax, tokensMax } from "./acl/acl-writer.ts";
import { rulesDepthMax } from "./acl/hcl.ts";
import { rulesBytesMax, rulesPerPolicyMax } from "./acl/parse-rules.ts";
import { rightsCachedMax } from "./acl/token-rights.ts";
import { writesPerTxnMax } from "./catalog/catalog-writer.ts";
import { changeBytesMax, changesMax } from "./change/change-log.ts";
import { segmentBytesMax, segmentsPerNodeMax } from "./coordinate/coordinate-writer.ts";
import { eventPayloadBytesMax, eventsMax, eventTextBytesMax } from "./event/event-writer.ts";
import { historyTickMs } from "./history/history-keeper.ts";
import {
  historyAgeDefaultMs,
  historyAgeMaxMs,
  historyBytesMax,
  historyCutsMax,
  historyRulesMax,
  historyVersionsDefault,
  historyVersionsMax,
} from "./history/history-model.ts";
import { endsInFlightMax } from "./keeper.ts";
import { writesQueuedMax } from "./keyed-queue.ts";
import { prefixIndexesMax } from "./kv/kv-index.ts";
import { kvKeyBytesMax, kvTtlMaxMs, kvTtlMinMs, kvValueBytesMax } from "./kv/kv-writer.ts";
import { lockDelayMaxMs, lockDelaysMax } from "./kv/lock-delays.ts";
import { tombstonesMax } from "./kv/tombstones.ts";
import { ownWriteWaitMaxMs } from "./own-write.ts";
import { queryNameBytesMax } from "./query/query-index.ts";
import { queriesMax, queryBytesMax } from "./query/query-writer.ts";
import { regexStepsMax } from "./regex/pattern.ts";
import { resourceDepthMax, resourcePathBytesMax, resourcePathsMax } from "./resource/resource-paths.ts";
import {
  sessionChecksMax,
  sessionNameBytesMax,
  sessionTtlMaxMs,
  sessionTtlMinMs,
} from "./session/plan-session.ts";
import { sessionsMax } from "./session/session-writer.ts";
import { txnOperationsMax } from "./txn/txn-model.ts";
import { waitersMax } from "./wait/waiters.ts";

export const registryLimits = {
  kvKeyBytesMax,
  kvValueBytesMax,
  kvTtlMinMs,
  kvTtlMaxMs,
  resourcePathsMax,
  resourceDepthMax,
  resourcePathBytesMax,
  historyRulesMax,
  historyVersionsDefault,
  historyVersionsMax,
  historyAgeDefaultMs,
  historyAgeMaxMs,
  historyBytesMax,
  historyCutsMax,
  historyTickMs,
  waitersMax,
  writesQueuedMax,
  writesPerTxnMax,
  ownWriteWaitMaxMs,
  prefixIndexesMax,
  tombstonesMax,
  changesMax,
  changeBytesMax,
  txnOperationsMax,
  queriesMax,
  queryBytesMax,
  queryNameBytesMax,
  regexStepsMax,
  segmentsPerNodeMax,
  segmentBytesMax,
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
  tokensMax,
  policiesMax,
  grantsPerTokenMax,
  aclTextBytesMax,
  rulesBytesMax,
  rulesPerPolicyMax,
  rulesDepthMax,
  rightsCachedMax,
} as const;

/** Makes and removes the rules which keys keep a history, and answers what stood under a key at a revision. */
import { FabricError } from "../../errors/index.ts";
import type { Store } from "../../store/index.ts";
import { historyRuleKey } from "../keys.ts";
import { kvKeyBytesMax } from "../kv/kv-writer.ts";
import type { KvRecord } from "../model.ts";
import type { RegistryReads } from "../reads.ts";
import { transaction } from "../transaction.ts";
import {
  encodeJson,
  type HistoryRule,
  historyAgeMaxMs,
  historyRulesMax,
  historyVersionsMax,
} from "./history-model.ts";

export class HistoryWriter {
  readonly #store: Store;
  readonly #registry: RegistryReads;

  constructor(store: Store, registry: RegistryReads) {
    this.#store = store;
    this.#registry = registry;
  }

  /** The revision. @throws REGISTRY_INVALID, REGISTRY_LIMIT */
  async put(rule: HistoryRule): Promise<number> {
    assertRule(rule);
    const rules = this.#registry.history.rules();
    if (rules.length >= historyRulesMax && !rules.some(({ prefix }) => prefix === rule.prefix)) {
      throw new FabricError(
        "REGISTRY_LIMIT",
        `keep history of ${JSON.stringify(rule.prefix)}: there are ${historyRulesMax} rules already; remove one, or widen one`,
        { details: { limit: "historyRulesMax", max: historyRulesMax } },
      );
    }
    const write = { op: "put", key: historyRuleKey(rule.prefix), value: encodeJson(rule) } as const;
    return (await this.#store.txn(transaction([], [write]))).revision;
  }

  async delete(prefix: string): Promise<number> {
    return (await this.#store.txn(transaction([], [{ op: "delete", key: historyRuleKey(prefix) }]))).revision;
  }
}

/**
 * What stood under the key at the revision; undefined when there was nothing.
 * @throws REGISTRY_COMPACTED when that is no longer known, REGISTRY_INVALID for a revision to come
 */
export function kvAt(
  registry: Pick<RegistryReads, "index" | "kv"> & {
    readonly history: Pick<RegistryReads["history"], "versions">;
  },
  key: string,
  revision: number,
): { readonly record: KvRecord; readonly revision: number } | undefined {
  if (revision > registry.index) {
    throw new FabricError(
      "REGISTRY_INVALID",
      `read ${JSON.stringify(key)} at revision ${revision}: the store is at ${registry.index}; name one that was`,
    );
  }
  const current = registry.kv(key);
  if (current && current.modifyIndex <= revision) return { record: current, revision: current.modifyIndex };
  const version = registry.history.versions(key).findLast((each) => each.revision <= revision);
  if (version) return version.action === "put" ? version : undefined;
  const [first] = registry.history.versions(key);
  throw new FabricError(
    "REGISTRY_COMPACTED",
    `read ${JSON.stringify(key)} at revision ${revision}: ${first ? `its history begins at ${first.revision}` : "it keeps no history"}; name a newer one, or make a rule for its prefix`,
    { details: { revision, ...(first && { oldest: first.revision }) } },
  );
}

function assertRule({ prefix, versions, ageMs }: HistoryRule): void {
  const isWhole = Number.isSafeInteger(versions) && versions >= 1 && versions <= historyVersionsMax;
  const isAge = ageMs > 0 && ageMs <= historyAgeMaxMs;
  const isPrefix = Buffer.byteLength(prefix) <= kvKeyBytesMax - 48 && prefix.isWellFormed();
  if (isWhole && isAge && isPrefix) return;
  throw new FabricError(
    "REGISTRY_INVALID",
    `keep history of ${JSON.stringify(prefix.slice(0, 64))}: 1 to ${historyVersionsMax} versions of a key for up to ${historyAgeMaxMs / 86_400_000} days, under a prefix that is not longer than a key`,
    { details: { versionsMax: historyVersionsMax, ageMaxMs: historyAgeMaxMs } },
  );
}

/**
 * The store as the registry's writers see it: a transaction that changes keys under a history rule also writes their
 * versions, so that change and version are seen together or not at all, whoever changes the key and however
 * (a lock, a transaction of Consul's, an expiry). Without rules it costs one comparison a transaction.
 *
 * A deletion is recorded only where something is deleted, as a write that changes nothing makes no revision. So the
 * transaction then depends on what was known of the key, and is made anew when that was not the truth.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { Compare, Operation, Store, Txn, TxnResult, Write } from "../../store/index.ts";
import { historyCutKey, historyKey, kvKey, kvPrefix } from "../keys.ts";
import type { RegistryReads } from "../reads.ts";
import { encodeJson, encodeVersion } from "./history-model.ts";

const attemptsMax = 16;
/** Of one transaction; what cannot be trimmed for lack of room is trimmed by the keeper. */
const operationsMax = 128;

type Last = { readonly kind: "put"; readonly value: Uint8Array } | { readonly kind: "delete" };

export function withHistory(store: Store, registry: RegistryReads, clock: Clock): Store {
  return {
    id: store.id,
    range: (prefix, options) => store.range(prefix, options),
    txn: (txn) => (concerns(registry, txn.success) ? run(store, registry, clock, txn) : store.txn(txn)),
    replace: (replacement) => store.replace(replacement),
    watch: (prefix, from, signal) => store.watch(prefix, from, signal),
    grantLease: (ttlMs) => store.grantLease(ttlMs),
    keepAlive: (lease) => store.keepAlive(lease),
    revokeLease: (lease) => store.revokeLease(lease),
    close: () => store.close(),
  };
}

async function run(store: Store, registry: RegistryReads, clock: Clock, txn: Txn): Promise<TxnResult> {
  let seen = "";
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const { compare, writes } = versionsOf(registry, txn.success, clock.wallMs());
    const result = await store.txn({
      ...txn,
      compare: [...(txn.compare ?? []), ...compare],
      success: [...txn.success, ...writes],
    });
    if (result.succeeded) return { ...result, results: result.results.slice(0, txn.success.length) };
    // The same conditions again: it is the caller's own that do not hold.
    const conditions = JSON.stringify(compare);
    if (compare.length === 0 || conditions === seen) return result;
    seen = conditions;
    await registry.applied(result.revision);
  }
  throw new FabricError(
    "REGISTRY_CONTENDED",
    `delete keys that keep a history: other writers were faster ${attemptsMax} times; retry later`,
  );
}

function concerns({ history }: RegistryReads, operations: readonly Operation[]): boolean {
  return operations.some((operation) => {
    if (operation.op === "get" || operation.op === "range") return false;
    const key = operation.op === "deletePrefix" ? operation.prefix : operation.key;
    if (operation.op === "deletePrefix" && kvPrefix.startsWith(key)) return history.touches("");
    if (!key.startsWith(kvPrefix)) return false;
    const own = key.slice(kvPrefix.length);
    return operation.op === "deletePrefix" ? history.touches(own) : history.ruleOf(own) !== undefined;
  });
}

function versionsOf(registry: RegistryReads, operations: readonly Operation[], atMs: number) {
  const { history } = registry;
  const last = new Map<string, Last>();
  const writes: Write[] = [];
  const compare: Compare[] = [];
  for (const operation of operations) {
    if (operation.op === "put" && operation.key.startsWith(kvPrefix))
      last.set(operation.key.slice(kvPrefix.length), { kind: "put", value: operation.value });
    else if (operation.op === "delete" && operation.key.startsWith(kvPrefix))
      last.set(operation.key.slice(kvPrefix.length), { kind: "delete" });
    else if (operation.op === "deletePrefix" && operation.prefix.startsWith(kvPrefix)) {
      const prefix = operation.prefix.slice(kvPrefix.length);
      for (const key of last.keys()) if (key.startsWith(prefix)) last.delete(key);
      if (registry.kvKeys(prefix).some((key) => history.ruleOf(key)))
        writes.push({ op: "put", key: historyCutKey(randomUUID()), value: encodeJson({ prefix, atMs }) });
    }
  }
  for (const [key, change] of last) {
    const rule = history.ruleOf(key);
    if (!rule) continue;
    const held = registry.kv(key);
    const name = historyKey(key, randomUUID());
    if (change.kind === "put") {
      writes.push({ op: "put", key: name, value: encodeVersion(atMs, "put", change.value) });
    } else {
      const storeKey = kvKey(key);
      compare.push(
        held ? { key: storeKey, modRevision: held.modifyIndex } : { key: storeKey, exists: false },
      );
      if (!held) continue;
      const isOver = held.lease !== undefined && !registry.keyTime(held.lease).lasts;
      writes.push({
        op: "put",
        key: name,
        value: encodeVersion(atMs, isOver ? "expire" : "delete", undefined),
      });
    }
    const names = history.names(key);
    for (const old of names.slice(0, Math.max(0, names.length + 1 - rule.versions)))
      if (operations.length + writes.length < operationsMax)
        writes.push({ op: "delete", key: historyKey(key, old) });
  }
  return { compare, writes };
}

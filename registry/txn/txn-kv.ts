/** The key/value verbs of a transaction. A refusal is the text that Consul answers, thrown to nobody. */
import type { OperationResult, StoreItem } from "../../store/index.ts";
import { kvKey, kvPrefix, sessionKey } from "../keys.ts";
import { decodeKv, encodeKv } from "../kv/kv-codec.ts";
import { decideWrite, type KvChange } from "../kv/kv-rules.ts";
import type { KvEntry } from "../model.ts";
import type { RegistryReads } from "../reads.ts";
import type { TxnDraft } from "./txn-draft.ts";
import type { KvOperation, TxnOutcome } from "./txn-model.ts";

/** What to answer once the transaction is through, or why it must not be tried. */
export type Step =
  | ((results: readonly OperationResult[]) => readonly TxnOutcome[])
  | { readonly refused: string };

export function stepKv(registry: RegistryReads, draft: TxnDraft, operation: KvOperation): Step {
  const { verb, key, index, session, value, flags } = operation;
  const storeKey = kvKey(key);
  const name = JSON.stringify(key);
  const held = () => draft.see(storeKey, registry.kv(key));
  switch (verb) {
    case "set":
      return write(draft, operation, held(), { kind: "set", value, flags }, "");
    case "cas":
      return write(draft, operation, held(), { kind: "cas", index, value, flags }, staleWrite("set", name));
    case "lock":
      return lock(registry, draft, operation, held());
    case "unlock": {
      const refused = `failed to unlock key ${name}, lock isn't held, or is held by another session`;
      return write(draft, operation, held(), { kind: "unlock", session, value, flags }, refused);
    }
    case "delete":
      draft.delete(storeKey);
      return none;
    case "delete-cas": {
      const entry = held();
      if (entry && entry.modifyIndex !== index) return { refused: staleWrite("delete", name) };
      if (entry) draft.delete(storeKey);
      return none;
    }
    case "delete-tree":
      draft.deletePrefix(storeKey);
      return none;
    case "get":
      return held() ? shown(draft, key) : { refused: `key ${name} doesn't exist` };
    case "get-or-empty":
      return held() ? shown(draft, key) : () => [{ kind: "kv", entry: absent(key) }];
    case "get-tree": {
      const items = draft.range(storeKey);
      return (results) => items(results).flatMap((item) => outcome(item, false));
    }
    case "check-index":
      return check(draft, operation, held(), (entry) =>
        entry.modifyIndex === index
          ? undefined
          : `failed index check for key ${name}, current modify index ${entry.modifyIndex} != ${index}`,
      );
    case "check-session":
      return check(draft, operation, held(), (entry) =>
        (entry.session ?? "") === session
          ? undefined
          : `failed session check for key ${name}, current session ${JSON.stringify(entry.session ?? "")} != ${JSON.stringify(session)}`,
      );
    case "check-not-exists":
      return held() ? { refused: `key ${name} exists` } : none;
    default:
      return verb satisfies never;
  }
}

function none(): readonly TxnOutcome[] {
  return [];
}

function lock(
  registry: RegistryReads,
  draft: TxnDraft,
  operation: KvOperation,
  held: KvEntry | undefined,
): Step {
  const { key, session: id, value, flags } = operation;
  const name = JSON.stringify(key);
  if (id === "") return { refused: "missing session" };
  if (registry.isLockDelayed(key)) return { refused: `failed to lock key ${name} due to lock delay` };
  const session = draft.see(sessionKey(id), registry.session(id));
  if (!session || session.ending) return { refused: `invalid session ${JSON.stringify(id)}` };
  const refused = `failed to lock key ${name}, lock is already held`;
  return write(draft, operation, held, { kind: "lock", session: id, value, flags }, refused);
}

function write(
  draft: TxnDraft,
  { key }: KvOperation,
  held: KvEntry | undefined,
  change: KvChange,
  refused: string,
): Step {
  const decision = decideWrite(held, change);
  if (decision.kind === "refused") return { refused };
  if (decision.kind === "write")
    draft.put(kvKey(key), encodeKv(decision.record), { key, ...decision.record });
  return shown(draft, key, true);
}

function check(
  draft: TxnDraft,
  { verb, key }: KvOperation,
  held: KvEntry | undefined,
  why: (entry: KvEntry) => string | undefined,
): Step {
  const what = verb === "check-index" ? "index" : "session";
  if (!held) return { refused: `failed to check ${what}, key ${JSON.stringify(key)} doesn't exist` };
  const refused = why(held);
  return refused === undefined ? shown(draft, key, true) : { refused };
}

function shown(draft: TxnDraft, key: string, isBare = false): Step {
  const item = draft.get(kvKey(key));
  return (results) => outcome(item(results), isBare);
}

function outcome(item: StoreItem | undefined, isBare: boolean): readonly TxnOutcome[] {
  if (!item) return [];
  const record = decodeKv(item.key.slice(kvPrefix.length), item.value);
  if (!record) return [];
  const value = isBare ? new Uint8Array(0) : record.value;
  const entry = { ...record, value, createIndex: item.createRevision, modifyIndex: item.modRevision };
  return [{ kind: "kv", entry }];
}

function absent(key: string): KvEntry {
  return { key, value: new Uint8Array(0), flags: 0n, lockIndex: 0, createIndex: 0, modifyIndex: 0 };
}

function staleWrite(action: "set" | "delete", name: string): string {
  return `failed to ${action} key ${name}, index is stale`;
}

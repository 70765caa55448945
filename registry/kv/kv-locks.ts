/**
 * Locking and unlocking keys with Consul's rules: who holds the key locks it again without a new LockIndex, a
 * new holder raises it, another's lock and a lock delay answer false, and only the holder unlocks.
 *
 * A lock is written under the condition that key and session stand as they were looked at. "No" is answered
 * only by a registry that is not behind the store.
 */
import { FabricError } from "../../errors/index.ts";
import type { Compare, Store } from "../../store/index.ts";
import { KeyedQueue } from "../keyed-queue.ts";
import { kvKey, sessionKey } from "../keys.ts";
import type { RegistryReads } from "../reads.ts";
import { sessionInvalid } from "../session/plan-session.ts";
import { transaction } from "../transaction.ts";
import type { KvWriteResult } from "../writes.ts";
import { encodeKv } from "./kv-codec.ts";
import { decideWrite, type KvChange } from "./kv-rules.ts";

const attemptsMax = 16;

export type LockChange = Extract<KvChange, { kind: "lock" | "unlock" }>;

export class KvLocks {
  readonly #store: Store;
  readonly #registry: RegistryReads;
  readonly #queue = new KeyedQueue();

  constructor(store: Store, registry: RegistryReads) {
    this.#store = store;
    this.#registry = registry;
  }

  /** @throws REGISTRY_SESSION_INVALID, REGISTRY_CONTENDED */
  write(key: string, change: LockChange): Promise<KvWriteResult> {
    return this.#queue.run(key, async () => {
      let isSure = false;
      for (let attempt = 0; attempt < attemptsMax; attempt++) {
        const planned = this.#plan(key, change, isSure);
        if (planned.kind === "no") {
          if (isSure) return { revision: this.#registry.index, succeeded: false };
          await this.#registry.barrier();
          isSure = true;
          continue;
        }
        const { succeeded, revision } = await this.#store.txn(
          transaction(
            planned.compare,
            planned.value ? [{ op: "put", key: kvKey(key), value: planned.value }] : [],
          ),
        );
        if (succeeded) return { revision, succeeded };
        await this.#registry.applied(revision);
        isSure = true;
      }
      throw new FabricError(
        "REGISTRY_CONTENDED",
        `lock ${JSON.stringify(key)}: other writers were faster ${attemptsMax} times; retry later`,
        { details: { key } },
      );
    });
  }

  #plan(key: string, change: LockChange, isSure: boolean) {
    const held = this.#registry.kv(key);
    const compare: Compare[] = [
      held ? { key: kvKey(key), modRevision: held.modifyIndex } : { key: kvKey(key), exists: false },
    ];
    if (change.session === "") throw sessionInvalid("missing session");
    if (change.kind === "lock") {
      if (this.#registry.isLockDelayed(key)) return { kind: "no" } as const;
      const session = this.#registry.session(change.session);
      if (!session || session.ending) {
        if (isSure) throw sessionInvalid(`invalid session ${JSON.stringify(change.session)}`);
        return { kind: "no" } as const;
      }
      compare.push({ key: sessionKey(session.id), modRevision: session.modifyIndex });
    }
    const decision = decideWrite(held, change);
    if (decision.kind === "refused") return { kind: "no" } as const;
    const value = decision.kind === "write" ? encodeKv(decision.record) : undefined;
    return { kind: "write", compare, value } as const;
  }
}

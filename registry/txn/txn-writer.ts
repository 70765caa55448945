/**
 * Runs transactions: planned against the registry in memory, committed under the condition that what they
 * looked at is still so, else planned again on what is there now. A refusal is answered only by a registry that
 * is not behind the store.
 */
import { FabricError } from "../../errors/index.ts";
import type { Store } from "../../store/index.ts";
import { assertKey, assertValue } from "../kv/kv-writer.ts";
import type { RegistryReads } from "../reads.ts";
import { stepCheck, stepNode, stepService } from "./txn-catalog.ts";
import { TxnDraft } from "./txn-draft.ts";
import { type Step, stepKv } from "./txn-kv.ts";
import { type TxnAnswer, type TxnError, type TxnOperation, txnOperationsMax } from "./txn-model.ts";

const attemptsMax = 16;

export class TxnWriter {
  readonly #store: Store;
  readonly #registry: RegistryReads;

  constructor(store: Store, registry: RegistryReads) {
    this.#store = store;
    this.#registry = registry;
  }

  /** @throws REGISTRY_TXN_TOO_LARGE, REGISTRY_KEY_INVALID, REGISTRY_VALUE_TOO_LARGE, REGISTRY_CONTENDED, STORE_LIMIT */
  async run(operations: readonly TxnOperation[]): Promise<TxnAnswer> {
    assertAcceptable(operations);
    let isSure = false;
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const draft = new TxnDraft();
      const steps = operations.map((operation) => planStep(this.#registry, draft, operation));
      const errors = steps.flatMap((step, at): TxnError[] =>
        "refused" in step ? [{ at, what: step.refused }] : [],
      );
      if (errors.length > 0) {
        if (isSure) return { revision: this.#registry.index, outcomes: [], errors };
        await this.#registry.barrier();
        isSure = true;
        continue;
      }
      const { revision, succeeded, results } = await this.#store.txn(draft.txn());
      if (succeeded) {
        const outcomes = steps.flatMap((step) => ("refused" in step ? [] : step(results)));
        return { revision, outcomes, errors: [] };
      }
      await this.#registry.applied(revision);
      isSure = true;
    }
    throw new FabricError(
      "REGISTRY_CONTENDED",
      `run a transaction of ${operations.length} operations: other writers were faster ${attemptsMax} times; retry later`,
    );
  }
}

function planStep(registry: RegistryReads, draft: TxnDraft, operation: TxnOperation): Step {
  switch (operation.kind) {
    case "kv":
      return stepKv(registry, draft, operation);
    case "node":
      return stepNode(registry, draft, operation);
    case "service":
      return stepService(registry, draft, operation);
    case "check":
      return stepCheck(registry, draft, operation);
    default:
      return operation satisfies never;
  }
}

function assertAcceptable(operations: readonly TxnOperation[]): void {
  if (operations.length > txnOperationsMax) {
    throw new FabricError(
      "REGISTRY_TXN_TOO_LARGE",
      `Transaction contains too many operations (${operations.length} > ${txnOperationsMax})`,
      { details: { limit: "txnOperationsMax", max: txnOperationsMax } },
    );
  }
  for (const operation of operations) {
    if (operation.kind !== "kv") continue;
    const isTree = operation.verb === "get-tree" || operation.verb === "delete-tree";
    if (!isTree || operation.key !== "") assertKey(operation.key);
    assertValue(operation.key, operation.value);
  }
}

/**
 * Writes to the catalog. Everything below a node is written under the condition that the node's own record has
 * not changed meanwhile, so that a node forgotten or taken over by a later term gets no late writes.
 *
 * What the registry holds in memory already is not written again; it may lag behind other servers for a
 * moment, and the next full sync (which reads from the store) makes that good.
 */
import { FabricError } from "../../errors/index.ts";
import type { Store, StoreItem, Write } from "../../store/index.ts";
import { decodeNode, encodeNode } from "../codec.ts";
import { liveKey, nodeChecksPrefix, nodeCoordinatesPrefix, nodeKey, nodeServicesPrefix } from "../keys.ts";
import type { NodeRecord } from "../model.ts";
import type { RegistryReads } from "../reads.ts";
import { transaction } from "../transaction.ts";
import type { WriteResult } from "../writes.ts";

/** Below the limit of every store: Consul takes 64 operations a transaction, one of them is the comparison. */
export const writesPerTxnMax = 60;
const attemptsMax = 8;

interface HeldNode {
  readonly revision: number;
  readonly epoch: number;
}

export class CatalogWriter {
  readonly #store: Store;
  readonly #registry: RegistryReads;

  constructor(store: Store, registry: RegistryReads) {
    this.#store = store;
    this.#registry = registry;
  }

  async upsertNode(node: NodeRecord): Promise<WriteResult> {
    const key = nodeKey(node.name);
    const value = encodeNode(node);
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const item = await this.#get(key);
      const heldEpoch = (item && decodeNode(item.value)?.fabric?.epoch) ?? 0;
      if (node.fabric && heldEpoch > node.fabric.epoch)
        throw staleEpoch(node.name, node.fabric.epoch, heldEpoch);
      if (item && Buffer.compare(item.value, value) === 0) return this.unchanged();
      const { revision, succeeded } = await this.#store.txn(
        transaction(
          [item ? { key, modRevision: item.modRevision } : { key, exists: false }],
          [{ op: "put", key, value }],
        ),
      );
      if (succeeded) return { revision, changed: true };
    }
    throw contended(node.name);
  }

  async removeNode(node: string): Promise<WriteResult> {
    return this.remove([
      { op: "deletePrefix", prefix: nodeChecksPrefix(node) },
      { op: "deletePrefix", prefix: nodeServicesPrefix(node) },
      { op: "deletePrefix", prefix: nodeCoordinatesPrefix(node) },
      { op: "delete", key: liveKey(node) },
      { op: "delete", key: nodeKey(node) },
    ]);
  }

  /** Deletions that need no node. */
  async remove(writes: readonly Write[]): Promise<WriteResult> {
    let result = this.unchanged();
    for (let start = 0; start < writes.length; start += writesPerTxnMax) {
      const { revision, results } = await this.#store.txn(
        transaction([], writes.slice(start, start + writesPerTxnMax)),
      );
      if (results.some((one) => "deleted" in one && one.deleted > 0)) result = { revision, changed: true };
    }
    return result;
  }

  /**
   * Applies the writes below the node, in order, in as few transactions as fit.
   * @throws REGISTRY_NODE_NOT_FOUND, REGISTRY_STALE_EPOCH, REGISTRY_CONTENDED
   */
  async writeBelow(node: string, epoch: number | undefined, writes: readonly Write[]): Promise<WriteResult> {
    const key = nodeKey(node);
    let held = this.#remembered(node) ?? heldNode(await this.#get(key));
    let done = 0;
    let result = this.unchanged();
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      if (!held) throw nodeNotFound(node);
      if (epoch !== undefined && held.epoch > epoch) throw staleEpoch(node, epoch, held.epoch);
      while (done < writes.length) {
        const { revision, succeeded } = await this.#store.txn(
          transaction([{ key, modRevision: held.revision }], writes.slice(done, done + writesPerTxnMax)),
        );
        if (!succeeded) break;
        result = { revision, changed: true };
        done += writesPerTxnMax;
      }
      if (done >= writes.length) return result;
      held = heldNode(await this.#get(key));
    }
    throw contended(node);
  }

  /** Everything under the prefix, from the store itself. */
  async readAll(prefix: string): Promise<StoreItem[]> {
    const items: StoreItem[] = [];
    let from: string | undefined;
    do {
      const page = await this.#store.range(
        prefix,
        from === undefined ? { limit: 1000 } : { limit: 1000, from },
      );
      items.push(...page.items);
      const last = page.items.at(-1);
      from = page.more && last ? `${last.key}\u0000` : undefined;
    } while (from !== undefined);
    return items;
  }

  unchanged(): WriteResult {
    return { revision: this.#registry.index, changed: false };
  }

  #remembered(node: string): HeldNode | undefined {
    const entry = this.#registry.node(node);
    if (entry?.name !== node) return undefined;
    return { revision: entry.modifyIndex, epoch: entry.fabric?.epoch ?? 0 };
  }

  async #get(key: string): Promise<StoreItem | undefined> {
    const { results } = await this.#store.txn(transaction([], [{ op: "get", key }]));
    const [result] = results;
    return result?.op === "get" ? result.item : undefined;
  }
}

function heldNode(item: StoreItem | undefined): HeldNode | undefined {
  return item && { revision: item.modRevision, epoch: decodeNode(item.value)?.fabric?.epoch ?? 0 };
}

function nodeNotFound(node: string): FabricError {
  return new FabricError(
    "REGISTRY_NODE_NOT_FOUND",
    `write below node "${node}": the catalog does not hold it; register the node first`,
    { details: { node } },
  );
}

function staleEpoch(node: string, epoch: number, held: number): FabricError {
  return new FabricError(
    "REGISTRY_STALE_EPOCH",
    `write as node "${node}" of term ${epoch}: the catalog knows term ${held}; join again, or stop the other agent of this name`,
    { details: { node, epoch, held } },
  );
}

function contended(node: string): FabricError {
  return new FabricError(
    "REGISTRY_CONTENDED",
    `write node "${node}": its record changed ${attemptsMax} times meanwhile; retry later`,
    { details: { node } },
  );
}

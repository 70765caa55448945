/**
 * Puts a snapshot back: all that a snapshot holds becomes what this one holds, in one revision, so that readers see
 * the old or the new and nothing between. What stays the same keeps its revision, and wakes nobody.
 *
 * A node of the fabric belongs to its agent: neither it nor what is beneath it is touched, also when the snapshot has
 * an outside node of that name.
 */
import { FabricError } from "../../errors/index.ts";
import type { Store } from "../../store/index.ts";
import { decodeNode, decodeQuery } from "../codec.ts";
import { parseKey } from "../keys.ts";
import type { RegistryReads } from "../reads.ts";
import { isReplaced, isSnapshotRecord, nameOf, nodeOf, type SnapshotRecord } from "./snapshot-records.ts";

export class SnapshotWriter {
  readonly #store: Store;
  readonly #registry: RegistryReads;

  constructor(store: Store, registry: RegistryReads) {
    this.#store = store;
    this.#registry = registry;
  }

  /** The revision. @throws REGISTRY_SNAPSHOT_INVALID, STORE_LIMIT, STORE_UNAVAILABLE, STORE_AMBIGUOUS */
  async restore(records: readonly SnapshotRecord[]): Promise<number> {
    const strange = records.find((record) => !isSnapshotRecord(record));
    if (strange) {
      throw new FabricError(
        "REGISTRY_SNAPSHOT_INVALID",
        `restore snapshot: it holds ${JSON.stringify(strange.key.slice(0, 80))}, which is nothing that a snapshot holds or cannot be read; nothing was changed`,
        { details: { key: strange.key.slice(0, 200) } },
      );
    }
    await this.#registry.barrier();
    const isFabricNode = (node: string) => this.#registry.node(node)?.fabric !== undefined;
    const items = records.filter(({ key }) => {
      const node = nodeOf(parseKey(key));
      return node === undefined || !isFabricNode(node);
    });
    return this.#store.replace({
      items: withNames(items),
      replaces: ({ key, value }) => {
        const isNode = parseKey(key)?.kind === "node";
        return isReplaced(key, isFabricNode) && !(isNode && decodeNode(value)?.fabric);
      },
    });
  }
}

/** With what stands there because of them. */
export function withNames(records: readonly SnapshotRecord[]): readonly SnapshotRecord[] {
  return records.flatMap((record) => [record, ...namesOf(record)]);
}

function namesOf({ key, value }: SnapshotRecord): readonly SnapshotRecord[] {
  const parts = parseKey(key);
  const query = parts?.kind === "query" ? decodeQuery(value) : undefined;
  const name = query && parts?.kind === "query" ? nameOf({ ...query, id: parts.id }) : undefined;
  return name ? [name] : [];
}

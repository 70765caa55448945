/**
 * Where an agent keeps its views for the time without a server, and how that looks in any Store (the agent's own
 * sqlite file): `views/<view>/items/<key>` holds the JSON, `views/<view>/meta` what it is of, and `views-heard` when
 * a server last confirmed all that was held.
 *
 * The meta key is written last. A crash in the middle leaves a mixture whose digest fits nothing: the view still
 * answers, and the first server that is reached puts it right.
 */
import type { Operation, Store } from "../../store/index.ts";
import type { ViewDelta } from "./view-mirror.ts";

export interface CachedView {
  readonly storeId: string;
  readonly revision: number;
  /** When a server last said that this is the content. */
  readonly savedWallMs: number;
  readonly items: ReadonlyMap<string, string>;
}

export interface ViewCache {
  load(view: string): Promise<CachedView | undefined>;
  /** Applies the change to what is held and stamps it. */
  save(view: string, delta: ViewDelta, stamp: Omit<CachedView, "items">): Promise<void>;
  forget(view: string): Promise<void>;
  /** Names of what is held, in the order of keys. */
  list(): Promise<readonly string[]>;
  /** Every view held is current as of this time. */
  heard(wallMs: number): Promise<void>;
}

const root = "views/";
const heardKey = "views-heard";
const operationsPerTxn = 100;
const bytesPerTxn = 1024 * 1024;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function storeViewCache(store: Store): ViewCache {
  return {
    async load(view) {
      const base = baseOf(view);
      const { items: metas } = await store.range(`${base}meta`);
      const meta = readMeta(metas[0]?.value);
      if (!meta) return undefined;
      const { items: stamps } = await store.range(heardKey);
      const heardWallMs = Number(decoder.decode(stamps[0]?.value ?? new Uint8Array()));
      const prefix = `${base}items/`;
      const { items } = await store.range(prefix);
      return {
        ...meta,
        savedWallMs: Math.max(meta.savedWallMs, heardWallMs),
        items: new Map(items.map((item) => [item.key.slice(prefix.length), decoder.decode(item.value)])),
      };
    },
    async save(view, { puts, deletes }, stamp) {
      const base = baseOf(view);
      let batch: Operation[] = [];
      let bytes = 0;
      const flush = async () => {
        if (batch.length > 0) await store.txn({ success: batch });
        batch = [];
        bytes = 0;
      };
      const add = async (operation: Operation, size: number) => {
        if (batch.length >= operationsPerTxn || bytes + size > bytesPerTxn) await flush();
        batch.push(operation);
        bytes += size;
      };
      for (const key of deletes) await add({ op: "delete", key: `${base}items/${key}` }, key.length);
      for (const [key, json] of puts) {
        const value = encoder.encode(json);
        await add({ op: "put", key: `${base}items/${key}`, value }, key.length + value.length);
      }
      await add({ op: "put", key: `${base}meta`, value: encoder.encode(JSON.stringify(stamp)) }, 0);
      await flush();
    },
    async forget(view) {
      await store.txn({ success: [{ op: "deletePrefix", prefix: baseOf(view) }] });
    },
    async list() {
      const views: string[] = [];
      for (let from = root; ; ) {
        const { items } = await store.range(root, { from, limit: 1, keysOnly: true });
        const name = items[0]?.key.slice(root.length).split("/", 1)[0];
        if (name === undefined) return views;
        views.push(decodeURIComponent(name));
        from = `${root}${name}${afterSlash}`;
      }
    },
    async heard(wallMs) {
      await store.txn({ success: [{ op: "put", key: heardKey, value: encoder.encode(`${wallMs}`) }] });
    },
  };
}

/** The character that sorts next: everything of one view lies before it. */
const afterSlash = "0";

function baseOf(view: string): string {
  return `${root}${encodeURIComponent(view)}/`;
}

function readMeta(value: Uint8Array | undefined): Omit<CachedView, "items"> | undefined {
  if (!value) return undefined;
  try {
    const { storeId, revision, savedWallMs } = JSON.parse(decoder.decode(value)) as Record<string, unknown>;
    if (typeof storeId !== "string" || typeof revision !== "number" || typeof savedWallMs !== "number")
      return undefined;
    return { storeId, revision, savedWallMs };
  } catch {
    return undefined;
  }
}

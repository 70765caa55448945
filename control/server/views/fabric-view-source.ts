/**
 * The `fabric` view: what every node must know to reach every other, as raw store entries. It follows the whole
 * store instead of a few prefixes, so that two keys of one transaction arrive together and "caught up to
 * revision R" has a meaning; keys of other modules cost one comparison each.
 */
import type { Clock } from "../../../clock/index.ts";
import { isFabricError } from "../../../errors/index.ts";
import { ipamKeys } from "../../../ipam/index.ts";
import { nodesPrefix } from "../../../registry/index.ts";
import type { Store, StoreItem, WatchBatch } from "../../../store/index.ts";
import { fabricView } from "../../view-items.ts";
import { RevisionGate } from "./revision-gate.ts";
import type { ViewFeed, ViewSink, ViewSource } from "./view-source.ts";

const prefixes: readonly string[] = [ipamKeys.networks, ipamKeys.blocks, ipamKeys.statics, nodesPrefix];
const retryMs = 500;
const pageItems = 1000;
const decoder = new TextDecoder();

export function fabricViewSource(store: Store, clock: Clock): ViewSource {
  return {
    prefix: fabricView,
    async open(_rest: string, sink: ViewSink): Promise<ViewFeed> {
      const ending = new AbortController();
      const gate = new RevisionGate();
      let applied = await load(store, sink);
      gate.reach(applied);
      const apply = (batch: WatchBatch) => {
        emit(batch, sink);
        applied = batch.revision;
        gate.reach(applied);
      };
      const follow = async () => {
        while (!ending.signal.aborted) {
          try {
            for await (const batch of store.watch("", applied + 1, ending.signal)) apply(batch);
          } catch (error) {
            if (isFabricError(error, "STORE_COMPACTED")) {
              applied = await load(store, sink).catch(() => applied);
              gate.reach(applied);
            }
          }
          if (!ending.signal.aborted) await clock.sleep(retryMs, ending.signal).catch(() => undefined);
        }
      };
      void follow();
      return {
        caughtUp: (revision, signal) => gate.wait(revision, signal),
        close: () => ending.abort(),
      };
    },
  };
}

/** Answers the revision that the watch goes on from: that of the first page, later ones hold more at most. */
async function load(store: Store, sink: ViewSink): Promise<number> {
  const items = new Map<string, string>();
  let first: number | undefined;
  for (const prefix of prefixes) {
    let from: string | undefined;
    do {
      const page = await store.range(prefix, { limit: pageItems, ...(from === undefined ? {} : { from }) });
      first ??= page.revision;
      for (const item of page.items) items.set(item.key, textOf(item));
      const last = page.items.at(-1);
      from = page.more && last ? `${last.key}\0` : undefined;
    } while (from !== undefined);
  }
  sink.load(first ?? 0, items);
  return first ?? 0;
}

function emit(batch: WatchBatch, sink: ViewSink): void {
  const puts = new Map<string, string>();
  const deletes: string[] = [];
  for (const event of batch.events) {
    const key = event.kind === "put" ? event.item.key : event.key;
    if (!prefixes.some((prefix) => key.startsWith(prefix))) continue;
    if (event.kind === "put") puts.set(key, textOf(event.item));
    else deletes.push(key);
  }
  if (puts.size > 0 || deletes.length > 0) sink.change(batch.revision, puts, deletes);
}

function textOf(item: StoreItem): string {
  return decoder.decode(item.value);
}

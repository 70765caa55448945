/** What stands below a prefix of the store, now and from now on, through lost connections and compacted histories. */
import type { Clock } from "../../clock/index.ts";
import type { Store, StoreItem } from "../../store/index.ts";

const retryMs = 500;

/** Resolves when all of now was taken. What is deleted is not told. @throws STORE_UNAVAILABLE */
export async function followPrefix(
  store: Store,
  clock: Clock,
  prefix: string,
  signal: AbortSignal,
  take: (item: StoreItem) => void,
): Promise<void> {
  const load = async () => {
    const { revision, items } = await store.range(prefix);
    for (const item of items) take(item);
    return revision;
  };
  void follow(await load());

  async function follow(from: number): Promise<void> {
    let revision = from;
    while (!signal.aborted) {
      try {
        for await (const batch of store.watch(prefix, revision + 1, signal)) {
          for (const event of batch.events) if (event.kind === "put") take(event.item);
          revision = batch.revision;
        }
      } catch {
        revision = await load().catch(() => revision);
      }
      if (!signal.aborted) await clock.sleep(retryMs, signal).catch(() => undefined);
    }
  }
}

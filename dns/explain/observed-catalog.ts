/** A catalog that notes what was looked up, how long that took and how old it is. */
import type { Clock } from "../../clock/index.ts";
import { type CatalogReader, changeKey, type MaybePromise } from "../resolver/index.ts";

export interface Lookup {
  /** What was read: `service/web`, `keys/skydns/local`. */
  readonly source: string;
  /** Things found; undefined when the look-up failed. */
  readonly found: number | undefined;
  readonly tookMs: number;
  /** Since the node heard of it; undefined when that is not known. */
  readonly ageMs: number | undefined;
}

export function observedCatalog(
  catalog: CatalogReader,
  clock: Clock,
  note: (lookup: Lookup) => void,
): CatalogReader {
  function noted<T>(source: string, read: () => MaybePromise<T>, count: (value: T) => number): Promise<T> {
    const startMs = clock.monotonicMs();
    const done = (found: number | undefined) =>
      note({ source, found, tookMs: clock.monotonicMs() - startMs, ageMs: catalog.ageMs?.(source) });
    return (async () => {
      try {
        const value = await read();
        done(count(value));
        return value;
      } catch (error) {
        done(undefined);
        throw error;
      }
    })();
  }
  const one = (value: unknown) => (value === undefined ? 0 : 1);
  return {
    service: (name, dc) =>
      noted(
        changeKey({ kind: "service", name }),
        () => catalog.service(name, dc),
        (all) => all?.length ?? 0,
      ),
    node: (name, dc) => noted(changeKey({ kind: "node", name }), () => catalog.node(name, dc), one),
    nodes: (dc) =>
      noted(
        changeKey({ kind: "nodes" }),
        () => catalog.nodes(dc),
        (all) => all.length,
      ),
    query: (name, dc) => noted(changeKey({ kind: "query", name }), () => catalog.query(name, dc), one),
    container: (name, network, dc) =>
      noted(
        changeKey({ kind: "container", name, network }),
        () => catalog.container(name, network, dc),
        (all) => all.length,
      ),
    reverse: (ip) =>
      noted(
        changeKey({ kind: "reverse", ip }),
        () => catalog.reverse(ip),
        (all) => all.length,
      ),
    keys: (path) =>
      noted(
        changeKey({ kind: "keys", path }),
        () => catalog.keys(path),
        ({ values }) => values.size,
      ),
    datacenters: () => catalog.datacenters(),
    onChange: (listener) => catalog.onChange(listener),
  };
}

/**
 * The views `keys/<path>`: a key of the key/value store and what lies below it, slash by slash, so that DNS
 * dialects can answer from keys. A write touches the open views of the key's own path and of those above it: one look-up a
 * slash, whatever the number of views. They are computed once in a turn of the event loop.
 *
 * Bounded: a path with more than `viewKeysMax` keys gives one item that says so, and a value of more than
 * `viewKeyBytesMax` is left out.
 */
import { type KvEntry, type RegistryReads, topicKey } from "../../../registry/index.ts";
import type { ControlServerLimits } from "../../limits.ts";
import { type KeyViewItem, overflowKey } from "../../view-items.ts";
import type { ViewSource } from "./view-source.ts";

type KeyLimits = Pick<ControlServerLimits, "viewKeysMax" | "viewKeyBytesMax">;

const kvTopic = topicKey({ kind: "kv", key: "" });

export function keyViewSource(registry: RegistryReads, limits: KeyLimits): ViewSource {
  const openPaths = new Map<string, () => void>();
  const dirty = new Set<string>();
  const refresh = () => {
    const paths = [...dirty];
    dirty.clear();
    for (const path of paths) openPaths.get(path)?.();
  };
  registry.onChange(({ topics }) => {
    if (openPaths.size === 0) return;
    const wasClean = dirty.size === 0;
    for (const topic of topics)
      if (topic.startsWith(kvTopic))
        for (const path of pathsOf(topic.slice(kvTopic.length))) if (openPaths.has(path)) dirty.add(path);
    if (wasClean && dirty.size > 0) setImmediate(refresh);
  });
  return {
    prefix: "keys/",
    async open(path, sink) {
      const recompute = () => sink.load(registry.index, readKeys(registry, path, limits));
      openPaths.set(path, recompute);
      recompute();
      return {
        caughtUp: async (revision, signal) => {
          await registry.applied(revision, signal);
          if (dirty.has(path)) await new Promise((resolve) => setImmediate(resolve));
        },
        close: () => {
          if (openPaths.get(path) === recompute) openPaths.delete(path);
        },
      };
    },
  };
}

/** The key and what is above it: `a/b/c`, `a/b`, `a`. */
function pathsOf(key: string): string[] {
  const paths = [key];
  for (let at = key.lastIndexOf("/"); at > 0; at = key.lastIndexOf("/", at - 1)) paths.push(key.slice(0, at));
  return paths;
}

function readKeys(
  registry: RegistryReads,
  path: string,
  { viewKeysMax, viewKeyBytesMax }: KeyLimits,
): ReadonlyMap<string, string> {
  const own = registry.kv(path);
  const below = registry.kvList(`${path}/`, viewKeysMax + 1);
  const entries: readonly KvEntry[] = own ? [own, ...below] : below;
  if (entries.length > viewKeysMax) return new Map([[overflowKey, "{}"]]);
  const items = new Map<string, string>();
  for (const { key, value } of entries) {
    if (value.length > viewKeyBytesMax) continue;
    const item: KeyViewItem = { value: new TextDecoder().decode(value) };
    items.set(key, JSON.stringify(item));
  }
  return items;
}

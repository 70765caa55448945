/**
 * The view `nodes`: all nodes of the fabric, their addresses and whether they are alive. Computed once in a turn of the event
 * loop after a change of any node's record or checks, and only while somebody subscribes.
 */
import { type RegistryReads, topicKey } from "../../../registry/index.ts";
import type { NodeListItem } from "../../view-items.ts";
import type { ViewSource } from "./view-source.ts";

const nodesTopic = topicKey({ kind: "nodes" });
const checksTopic = topicKey({ kind: "nodeChecks", node: "" });

export function nodeListViewSource(registry: RegistryReads): ViewSource {
  let recompute: (() => void) | undefined;
  let dirty = false;
  registry.onChange(({ topics }) => {
    if (!recompute || dirty) return;
    dirty = topics.has(nodesTopic) || [...topics].some((topic) => topic.startsWith(checksTopic));
    if (!dirty) return;
    setImmediate(() => {
      dirty = false;
      recompute?.();
    });
  });
  return {
    prefix: "nodes",
    async open(_rest, sink) {
      const own = () => sink.load(registry.index, readNodes(registry));
      recompute = own;
      own();
      return {
        caughtUp: async (revision, signal) => {
          await registry.applied(revision, signal);
          if (dirty) await new Promise((resolve) => setImmediate(resolve));
        },
        close: () => {
          if (recompute === own) recompute = undefined;
        },
      };
    },
  };
}

function readNodes(registry: RegistryReads): ReadonlyMap<string, string> {
  const items = new Map<string, string>();
  for (const { name, address, fabric } of registry.nodes()) {
    if (!fabric) continue;
    const item: NodeListItem = {
      up: registry.isLive(name),
      addresses: [...new Set([address, ...fabric.underlay])],
    };
    items.set(name, JSON.stringify(item));
  }
  return items;
}

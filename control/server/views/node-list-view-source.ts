/**
 * The view `nodes`: all nodes of the fabric, their addresses and whether they are alive. Computed once in a while (see
 * refresh-pace.ts) after a change of any node's record or checks, and only while somebody subscribes.
 */
import type { Clock } from "../../../clock/index.ts";
import { type RegistryReads, topicKey } from "../../../registry/index.ts";
import type { NodeListItem } from "../../view-items.ts";
import { RefreshPace } from "./refresh-pace.ts";
import type { ViewSource } from "./view-source.ts";

const nodesTopic = topicKey({ kind: "nodes" });
const checksTopic = topicKey({ kind: "nodeChecks", node: "" });

export function nodeListViewSource(registry: RegistryReads, clock: Clock): ViewSource {
  let recompute: (() => void) | undefined;
  let dirty = false;
  const pace = new RefreshPace(clock, () => {
    dirty = false;
    recompute?.();
  });
  registry.onChange(({ topics }) => {
    if (!recompute || dirty) return;
    dirty = topics.has(nodesTopic) || [...topics].some((topic) => topic.startsWith(checksTopic));
    if (dirty) pace.ask();
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
          if (dirty) await pace.settled();
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

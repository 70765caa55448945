/**
 * The last design, for passes that look at the same fabric again: on a node of 10,000 remotes a design is a
 * quarter of a pass, and most passes are about a row or two that somebody changed. `designNode` is pure, so its
 * answer stands while all that it reads is the same; what is large (the desired state, the paths) compares
 * by identity, the rest by content.
 */

import type { NodeDesired } from "../desired.ts";
import type { NodeObserved } from "../observed/index.ts";
import { type Design, designNode } from "./design.ts";

type Seen = Omit<NodeObserved, "sysctls">;

interface Last {
  readonly desired: NodeDesired;
  readonly paths: Seen["paths"];
  readonly state: string;
  readonly design: Design;
}

export class DesignCache {
  #last: Last | undefined;

  /** Desired states are never changed in place. */
  design(desired: NodeDesired, observed: Seen): Design {
    const state = JSON.stringify([observed.links, observed.addresses, [...observed.foreign]]);
    const last = this.#last;
    if (last?.state === state && last.paths === observed.paths && isSame(last.desired, desired))
      return last.design;
    const design = designNode(desired, observed);
    this.#last = { desired, paths: observed.paths, state, design };
    return design;
  }
}

function isSame(a: NodeDesired, b: NodeDesired): boolean {
  if (a.self !== b.self || a.networks !== b.networks || a.remotes !== b.remotes) return false;
  if (a.published !== b.published) return false;
  return a.endpoints.length === b.endpoints.length && a.endpoints.every((each, i) => each === b.endpoints[i]);
}

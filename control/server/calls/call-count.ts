/** Calls of agents under way, by node and in all: one that hangs or floods takes no room from the others. */
import { FabricError } from "../../../errors/index.ts";
import type { ControlServerLimits } from "../../limits.ts";

export class CallCount {
  readonly #limits: ControlServerLimits;
  readonly #byNode = new Map<string, number>();
  #all = 0;

  constructor(limits: ControlServerLimits) {
    this.#limits = limits;
  }

  /** @throws CONTROL_LIMIT */
  enter(node: string): void {
    const { callsMax, callsPerAgentMax } = this.#limits;
    const ofNode = this.#byNode.get(node) ?? 0;
    if (this.#all >= callsMax || ofNode >= callsPerAgentMax) {
      const limit = this.#all >= callsMax ? "callsMax" : "callsPerAgentMax";
      throw new FabricError(
        "CONTROL_LIMIT",
        `serve a call of node "${node.slice(0, 80)}": ${limit} is reached; ask for less at a time`,
        {
          details: { limit, max: this.#limits[limit] },
        },
      );
    }
    this.#all += 1;
    this.#byNode.set(node, ofNode + 1);
  }

  leave(node: string): void {
    const left = (this.#byNode.get(node) ?? 1) - 1;
    this.#all -= 1;
    if (left > 0) this.#byNode.set(node, left);
    else this.#byNode.delete(node);
  }
}

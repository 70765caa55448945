/**
 * How long an agent bears the silence of its server. A process that hangs, or a machine without power, closes no
 * connection: nothing but silence tells. Who knows another server goes there soon, well before the node's liveness
 * ends; who knows none waits as long as the server may be silent at all, as leaving it would gain nothing. Each time
 * that it came to this doubles the next wait, up to half of what a server may be silent, so that the node outlives it: where
 * all servers are slow, agents must not go round between them.
 */
import type { ControlClientLimits } from "../limits.ts";

export type PatienceLimits = Pick<ControlClientLimits, "silenceMinMs" | "calmAfterMs">;

/** Of heartbeats: one is lost in any case when a server falls silent, and the next answer takes its time. */
const beatsBorne = 1.5;

export class Patience {
  readonly #limits: PatienceLimits;
  readonly #isBound: boolean;
  #losses = 0;

  /** @param servers how many are known */
  constructor(limits: PatienceLimits, servers: number) {
    this.#limits = limits;
    this.#isBound = servers < 2;
  }

  /** For a connection by which the server asks for these. */
  ms(heartbeatIntervalMs: number, deadAfterMs: number): number {
    if (this.#isBound) return deadAfterMs;
    const leastMs = Math.max(this.#limits.silenceMinMs, beatsBorne * heartbeatIntervalMs);
    return Math.min(deadAfterMs / 2, leastMs * 2 ** this.#losses);
  }

  /** A connection that stood so long is over, by silence or in another way. */
  ended(stoodMs: number, bySilence: boolean): void {
    if (stoodMs >= this.#limits.calmAfterMs) this.#losses = 0;
    if (bySilence) this.#losses += 1;
  }
}

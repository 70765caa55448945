/**
 * Whether a reply over UDP leaves: always to exempt networks and to clients that showed a cookie which we gave them
 * (nobody forges their addresses), otherwise as the rate allows.
 */
import type { Clock } from "../../clock/index.ts";
import type { ClientView } from "./cookie.ts";
import { type ExemptRange, isExempt } from "./exempt.ts";
import { RateLimiter, type RateTerms, type Verdict } from "./rate-limit.ts";

export class RateGate {
  readonly #limiter: RateLimiter | undefined;
  readonly #clock: Clock;
  readonly #exempt: () => readonly ExemptRange[];
  slipped = 0;
  dropped = 0;

  /** @param terms `perSecond` 0: every reply leaves. @param seed any 32 bits that nobody else knows */
  constructor(terms: RateTerms, seed: number, clock: Clock, exempt: () => readonly ExemptRange[]) {
    this.#limiter = terms.perSecond > 0 ? new RateLimiter(terms, seed) : undefined;
    this.#clock = clock;
    this.#exempt = exempt;
  }

  /** @param kind replies of one kind are counted together. @param known the client showed a cookie of ours */
  judge(client: ClientView, kind: number, known: boolean): Verdict {
    if (!this.#limiter || known || isExempt(client, this.#exempt())) return "send";
    const verdict = this.#limiter.take(client, kind, this.#clock.monotonicMs());
    if (verdict === "slip") this.slipped++;
    if (verdict === "drop") this.dropped++;
    return verdict;
  }
}

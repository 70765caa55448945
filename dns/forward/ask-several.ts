/**
 * One question to several name servers: the next one is asked when one fails, or earlier, beside it, when that
 * takes much longer than usual (hedging). The first good answer counts. Hedges are bounded by whoever calls.
 */
import type { Clock, Timer } from "../../clock/index.ts";
import type { Message, Question } from "../wire/index.ts";
import { isAnswer, type QueryBits, type Upstream } from "./upstream.ts";

export interface SeveralTerms {
  readonly clock: Clock;
  readonly triesMax: number;
  readonly hedgeMinMs: number;
  /** False: no more hedges at this time. Each true is given back by `endHedge`. */
  readonly mayHedge: () => boolean;
  readonly endHedge: () => void;
}

/** So many times the usual time of a server is long. */
const hedgeFactor = 3;
/** A server that comes first in order is taken unless another is so much faster. */
const slowFactor = 2;
const slowMs = 20;

/** Those that rest last; then in the given order, but for those that are clearly slower than the fastest. */
export function inOrder(upstreams: readonly Upstream[]): Upstream[] {
  const awake = upstreams.filter(({ rests }) => !rests);
  const limitMs = Math.min(...awake.map(({ roundTripMs }) => roundTripMs)) * slowFactor + slowMs;
  const isSlow = ({ roundTripMs }: Upstream) => roundTripMs > limitMs;
  const slow = awake.filter(isSlow).toSorted((a, b) => a.roundTripMs - b.roundTripMs);
  return [...awake.filter((each) => !isSlow(each)), ...slow, ...upstreams.filter(({ rests }) => rests)];
}

/** The best reply, or the last failure. @param upstreams at least one, best first */
export function askSeveral(
  upstreams: readonly Upstream[],
  question: Question,
  bits: QueryBits,
  terms: SeveralTerms,
): Promise<Message> {
  const { clock, triesMax, hedgeMinMs, mayHedge, endHedge } = terms;
  let started = 0;
  let open = 0;
  let hedges = 0;
  let last: Message | undefined;
  let failure: unknown;
  let timer: Timer | undefined;
  return new Promise<Message>((resolve, reject) => {
    const end = (settle: () => void) => {
      timer?.cancel();
      started = triesMax;
      settle();
    };
    const failed = () => {
      open--;
      if (started < triesMax) next();
      else if (open === 0) end(() => (last ? resolve(last) : reject(failure)));
    };
    const next = () => {
      const upstream = upstreams[started % upstreams.length] as Upstream;
      started++;
      open++;
      timer?.cancel();
      if (started < triesMax && upstreams.length > 1) {
        timer = clock.setTimer(Math.max(hedgeMinMs, upstream.roundTripMs * hedgeFactor), () => {
          if (!mayHedge()) return;
          hedges++;
          next();
        });
      }
      upstream.ask(question, bits).then(
        (reply) => {
          if (isAnswer(reply)) return end(() => resolve(reply));
          last = reply;
          failed();
        },
        (error: unknown) => {
          failure = error;
          failed();
        },
      );
    };
    next();
  }).finally(() => {
    for (let i = 0; i < hedges; i++) endHedge();
  });
}

/**
 * What answers say of their age, held to how old they are. An answer is as old as the first acknowledged write that it does
 * not have; one that says nothing of its age claims to be current, and one that names a time claims to have everything
 * until then. DNS says it by an Extended DNS Error (RFC 8914; docs/dns.md, "When an answer may be old"), HTTP by
 * X-Consul-KnownLeader and X-Consul-LastContact.
 */
import type { Writing } from "./beacon.ts";

export type Claim =
  /** Of DNS: nothing is said. Of HTTP: a leader is known or not, and was heard so long ago. */
  | { readonly kind: "current"; readonly heardAgoMs: number; readonly isLeaderKnown: boolean }
  /** It may be out of date, as nothing was heard since. */
  | { readonly kind: "stale"; readonly sinceMs: number }
  /** It says that it is not known. */
  | { readonly kind: "unknown" };

export interface Told {
  readonly host: string;
  readonly by: "DNS" | "HTTP";
  /** Wall time. */
  readonly askedMs: number;
  /** Of the beacon; 0: there is none. */
  readonly value: number;
  readonly claim: Claim;
}

export interface AgeBounds {
  /** What says nothing of its age is no older. */
  readonly currentMaxMs: number;
  /** What names a time has what was acknowledged so long before it. */
  readonly sinceSlackMs: number;
}

/** One line each; none: no answer claimed to be younger than it was. */
export function falseClaims(
  told: readonly Told[],
  writings: readonly Writing[],
  boundsAt: (askedMs: number) => Readonly<Record<Told["by"], AgeBounds>>,
): readonly string[] {
  const history = new History(writings);
  return told.flatMap(({ host, by, askedMs, value, claim }) => {
    const missedMs = history.firstMissedMs(value);
    if (missedMs === undefined || claim.kind === "unknown") return [];
    const { currentMaxMs, sinceSlackMs } = boundsAt(askedMs)[by];
    const ageMs = Math.round(askedMs - missedMs);
    const what = `${host}: ${by} answered ${value} of ${ageMs} ms ago at ${new Date(askedMs).toISOString()}`;
    if (claim.kind === "current")
      return ageMs > claim.heardAgoMs + currentMaxMs
        ? [`${what} as current${claim.heardAgoMs > 0 ? ` ${claim.heardAgoMs} ms ago` : ""}`]
        : [];
    const lateMs = Math.round(claim.sinceMs - missedMs);
    return lateMs > sinceSlackMs ? [`${what} as known ${ageMs - lateMs} ms ago, ${lateMs} ms too late`] : [];
  });
}

/** Current, and no older than `ageMaxMs`. An answer whose age is not known counts as fresh when it says so. */
export function isFresh(told: Told, history: History, ageMaxMs: number): boolean {
  const missedMs = history.firstMissedMs(told.value);
  const { claim } = told;
  const saysSo = claim.kind === "current" && claim.isLeaderKnown && claim.heardAgoMs <= ageMaxMs;
  return saysSo && (missedMs === undefined || told.askedMs - missedMs <= ageMaxMs);
}

/** When what was acknowledged. */
export class History {
  readonly #writings: readonly Writing[];
  readonly #lost: ReadonlySet<number>;

  constructor(writings: readonly Writing[]) {
    this.#writings = writings.filter(({ ackedMs }) => ackedMs !== undefined);
    this.#lost = new Set(writings.filter(({ ackedMs }) => ackedMs === undefined).map(({ value }) => value));
  }

  /** When the first write after this one was acknowledged; undefined: there is none, or nobody knows when this one was done. */
  firstMissedMs(value: number): number | undefined {
    if (this.#lost.has(value)) return undefined;
    let [low, high] = [0, this.#writings.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#writings[middle]?.value ?? 0) > value) high = middle;
      else low = middle + 1;
    }
    return this.#writings[low]?.ackedMs;
  }
}

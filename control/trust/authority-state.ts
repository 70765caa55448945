/**
 * The fabric's authorities and how one takes over from another, as one record and pure steps:
 *
 *   steady → distributing: the next one is believed everywhere, the present one signs
 *          → moving: the next one signs, the former is still believed
 *          → steady: the former is forgotten
 *
 * Always holds: nothing is signed by what a node may not know yet, nothing is forgotten by which a certificate of now was signed.
 * A step is taken when all nodes with a good certificate are known to be ready for it, or `rotationStepMs` after the
 * last: by then a node has renewed, or its certificate has ended. Bridges lead those behind that who come later.
 */
import type { AuthorityRecord } from "./authority.ts";
import type { IssuedRecord } from "./issued.ts";
import { fingerprintOf } from "./join-token.ts";

/** Stored at `trust/authority`, and in backups. */
export interface AuthorityState extends AuthorityRecord {
  readonly next?: Pick<AuthorityRecord, "certificate" | "key">;
  /** PEM. */
  readonly former?: string;
  /** Present while there is a next or a former one. */
  readonly stepSinceMs?: number;
  /** Newest first. */
  readonly bridges?: readonly Bridge[];
  /** Raised by each reset: nothing that was signed before is good. */
  readonly resets?: number;
}

export interface Bridge {
  /** PEM. */
  readonly certificate: string;
  readonly untilMs: number;
}

export type RotationStep = "steady" | "distributing" | "moving";

export function stepOf({ next, former }: AuthorityState): RotationStep {
  if (next) return "distributing";
  return former === undefined ? "steady" : "moving";
}

/** All that are to be believed, PEM; the one that signs first. */
export function believedOf({ certificate, next, former }: AuthorityState): readonly string[] {
  return [certificate, ...(next ? [next.certificate] : []), ...(former === undefined ? [] : [former])];
}

/** What stands behind a certificate that this authority signed, PEM. */
export function bridgesOf({ bridges = [] }: AuthorityState, nowMs: number): readonly string[] {
  return bridges.filter(({ untilMs }) => untilMs > nowMs).map(({ certificate }) => certificate);
}

/** Of the nodes whose certificates are good now, those that the step under way still waits for. */
export function waitedFor(
  state: AuthorityState,
  issued: readonly IssuedRecord[],
  nowMs: number,
): readonly IssuedRecord[] {
  const good = issued.filter(({ untilMs }) => untilMs > nowMs);
  if (state.next) {
    const next = fingerprintOf(state.next.certificate);
    return good.filter(({ believes }) => !believes.includes(next));
  }
  if (state.former === undefined) return [];
  const former = fingerprintOf(state.former);
  return good.filter(
    ({ by, believes }) => by === former || !believes.includes(fingerprintOf(state.certificate)),
  );
}

/** The state after the step under way, if it is over. "move" where the next one is to sign, for which a bridge must be made. */
export function nextStep(
  state: AuthorityState,
  issued: readonly IssuedRecord[],
  nowMs: number,
  stepMs: number,
): AuthorityState | "move" | undefined {
  const { stepSinceMs = nowMs, former: _, stepSinceMs: __, ...rest } = state;
  if (stepOf(state) === "steady") return undefined;
  const isOver = nowMs - stepSinceMs >= stepMs || waitedFor(state, issued, nowMs).length === 0;
  if (!isOver) return undefined;
  return state.next ? "move" : rest;
}

/** The next one signs from here on. */
export function moved(state: AuthorityState, bridge: Bridge, nowMs: number): AuthorityState {
  const { next, bridges = [], ...rest } = state;
  if (!next) return state;
  return {
    ...rest,
    ...next,
    former: state.certificate,
    stepSinceMs: nowMs,
    bridges: [bridge, ...bridges.filter(({ untilMs }) => untilMs > nowMs)],
  };
}

/**
 * When a node may allocate: while `now − last renewal < reclaimAfter − margin`, by a clock that never jumps.
 *
 * Why this is safe: the node counts from before it sent the renewal, a server from when it saw it, which is
 * later. The node stops `margin` earlier than any server frees its blocks; the margin (1 h of 24 h) covers
 * clocks that run up to 4 % apart, and the time to take endpoints off the fabric.
 *
 * Across restarts of the agent the renewal is journaled as a `BootInstant`. Monotonic clocks of two processes
 * compare only within one boot, and each has a hole: CLOCK_MONOTONIC stands still during suspend, uptime can
 * be virtualised (lxcfs) and start at 0. So both are kept, the longer of the two spans counts, and a span
 * below zero or another boot id means "unknown": fenced until renewed. A restarted agent without servers thus
 * goes on within its time; after a reboot no container is left that an address could belong to, and it waits.
 */
import { FabricError } from "../errors/index.ts";

export const reclaimAfterDefaultMs = 24 * 3600 * 1000;
export const marginDefaultMs = 3600 * 1000;

export interface BootInstant {
  readonly bootId: string;
  /** CLOCK_MONOTONIC: comparable between processes, stands still during suspend. */
  readonly steadyMs: number;
  /** Since boot, suspend included. */
  readonly uptimeMs: number;
}

export interface BootClock {
  now(): BootInstant;
}

/** The last renewal as a span before now, at least; undefined if nothing safe can be said. */
export function elapsedSince(then: BootInstant, now: BootInstant): number | undefined {
  const steadyMs = now.steadyMs - then.steadyMs;
  const uptimeMs = now.uptimeMs - then.uptimeMs;
  if (then.bootId !== now.bootId || steadyMs < 0 || uptimeMs < 0) return undefined;
  return Math.max(steadyMs, uptimeMs);
}

/** The node's standing, as it knows it. */
export interface HeldTerm {
  readonly epoch: number;
  readonly reclaimAfterMs: number;
  /** On the process's monotonic clock. Absent: not renewed as far as this process can tell. */
  readonly renewedAtMs?: number;
  /** The renewal that the journal knows. */
  readonly journaledAtMs?: number;
}

export type FenceStatus =
  | { readonly kind: "open"; readonly epoch: number; readonly untilMs: number }
  | { readonly kind: "fenced"; readonly why: "not joined" | "not renewed" | "expired" };

export function fenceStatus(term: HeldTerm | undefined, nowMs: number, marginMs: number): FenceStatus {
  if (!term) return { kind: "fenced", why: "not joined" };
  if (term.renewedAtMs === undefined) return { kind: "fenced", why: "not renewed" };
  const untilMs = term.renewedAtMs + term.reclaimAfterMs - marginMs;
  return nowMs < untilMs ? { kind: "open", epoch: term.epoch, untilMs } : { kind: "fenced", why: "expired" };
}

export function fencedError(action: string, why: "not joined" | "not renewed" | "expired"): FabricError {
  const because = {
    "not joined": "the node has not joined a server yet",
    "not renewed": "no server has confirmed the node's term since the machine or its data came back",
    expired: "no server has renewed the node's term for too long, and its blocks may go to another node",
  }[why];
  return new FabricError("IPAM_FENCED", `${action}: ${because}; let the agent reach a server`, {
    details: { why },
  });
}

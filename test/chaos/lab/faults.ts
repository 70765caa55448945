/**
 * What is done to the processes, and when: planned from a seed, so that the same seed hurts the same ones at the same
 * times for as long. (What the processes then make of it differs from run to run: they are real.) At most `atOnceMax`
 * faults stand at a time, one a target, and of etcd's members one: the store's quorum is moved, never taken.
 */
import { pick, type Random } from "../../fuzz/mutate.ts";
import type { Target } from "./rig.ts";

export const atOnceMax = 2;
export const faultKinds = ["kill", "pause", "cut"] as const;
/** Between two faults of one target. */
const restMs = 500;

export interface Fault {
  readonly kind: (typeof faultKinds)[number];
  readonly target: string;
  /** From the beginning. */
  readonly atMs: number;
  readonly lastsMs: number;
}

/** In the order of time; all are over at `forMs`. */
export function planFaults(random: Random, targets: readonly string[], forMs: number): readonly Fault[] {
  const plan: Fault[] = [];
  for (let atMs = random(1000); atMs < forMs; atMs += 100 + random(1200)) {
    const hurt = plan
      .filter((fault) => fault.atMs + fault.lastsMs + restMs > atMs)
      .map(({ target }) => target);
    const fault = { kind: pick(random, [...faultKinds]), lastsMs: 200 + random(4800) };
    const [first, ...rest] = targets.filter(
      (name) => !hurt.includes(name) && !(isMember(name) && hurt.some(isMember)),
    );
    if (hurt.length >= atOnceMax || first === undefined || atMs + fault.lastsMs > forMs) continue;
    plan.push({ ...fault, target: pick(random, [first, ...rest]), atMs });
  }
  return plan;
}

const isMember = (name: string) => name.startsWith("etcd");

/** Resolves when all of them are undone. */
export async function inflict(
  plan: readonly Fault[],
  targets: readonly Target[],
  log: (line: string) => void,
): Promise<void> {
  const byName = new Map(targets.map((target) => [target.name, target]));
  const startMs = performance.now();
  const standing = new Map<string, Promise<void>>();
  for (const { kind, target: name, atMs, lastsMs } of plan) {
    const target = byName.get(name);
    if (!target) throw new Error(`nothing is called ${name}`);
    await wait(startMs + atMs - performance.now());
    // On a busy machine the one before may still stand.
    await standing.get(name);
    log(`${(atMs / 1000).toFixed(1)} s: ${kind} ${name} for ${(lastsMs / 1000).toFixed(1)} s`);
    await effects[kind].begin(target);
    standing.set(
      name,
      wait(lastsMs).then(() => effects[kind].end(target)),
    );
  }
  await Promise.all(standing.values());
}

interface Effect {
  readonly begin: (target: Target) => Promise<void> | void;
  readonly end: (target: Target) => void;
}

const effects: Readonly<Record<Fault["kind"], Effect>> = {
  kill: { begin: (target) => target.kill(), end: (target) => target.start() },
  pause: { begin: (target) => target.signal("SIGSTOP"), end: (target) => target.signal("SIGCONT") },
  cut: { begin: (target) => target.cut(), end: (target) => target.join() },
};

/** No waiting for an outcome: how long a fault lasts, and what comes between two operations, is part of what is tried. */
export function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}

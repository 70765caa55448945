/**
 * What is done to the processes, and when: planned from a seed, so that the same seed hurts the same ones at the same
 * times for as long. (What the processes then make of it differs from run to run: they are real.) At most `atOnceMax`
 * faults stand at a time, one a group: a target hides behind no other one, and the quorum of etcd is taken by a fault of
 * that name only. Kinds come by turns, each once before any comes again. Between them are calms, in which everything
 * has to heal.
 */
import { pick, type Random } from "../../../fuzz/mutate.ts";

export const atOnceMax = 2;
/** Between two faults of one group. */
const restMs = 500;

/** What each is, for people. Of the process's own end and freeze, of its link, of its disk and of its store. */
export const faultKinds = {
  kill: "kill -9 of a process, started again",
  pause: "SIGSTOP of a process",
  cut: "no packet reaches a process's host, or an etcd member, or leaves it",
  weather: "a link that loses, delays and reorders packets",
  fill: "a data directory without a free byte",
  wipe: "kill -9 of an agent, its data directory emptied, started again: a node that lost its disk",
  orphan: "a server whose packets to the store are lost",
  quorum: "two of three members of etcd killed or frozen at once",
} as const;

export type FaultKind = keyof typeof faultKinds;
export const allKinds = Object.keys(faultKinds) as FaultKind[];

/** From, and how much longer at most. */
const lasting: Readonly<Record<FaultKind, readonly [leastMs: number, moreMs: number]>> = {
  kill: [200, 4800],
  pause: [200, 4800],
  // Some beyond all patience, so that nodes are headless and say so.
  cut: [200, 14_800],
  weather: [2000, 6000],
  fill: [1000, 4000],
  wipe: [200, 2800],
  orphan: [1000, 11_000],
  quorum: [2000, 7000],
};

/** Of one target: the plan of addresses keeps a node's earlier terms until they are reclaimed, and 16 of them (`retiredTermsMax`). */
const timesMax: Readonly<Partial<Record<FaultKind, number>>> = { wipe: 12 };

export interface Hurtable {
  readonly name: string;
  /** One of a group is hurt at a time. */
  readonly group: string;
  readonly kinds: readonly FaultKind[];
}

export interface Fault {
  readonly kind: FaultKind;
  readonly target: string;
  /** From the beginning. */
  readonly atMs: number;
  readonly lastsMs: number;
  /** What else there is to choose, by the fault itself: 32 bits. */
  readonly draw: number;
}

/** A time without a fault. */
export interface Calm {
  readonly atMs: number;
  readonly lastsMs: number;
}

export interface Plan {
  /** In the order of time. */
  readonly faults: readonly Fault[];
  readonly calms: readonly Calm[];
}

const calmEveryMs = 90_000;
/** Beyond the bound after which everything is to be fresh again, so that there is something to look at. */
const calmMs = 20_000;

/** All faults are over at `forMs`; no calm is in a plan that is shorter than two stretches between them. */
export function planFaults(
  random: Random,
  targets: readonly Hurtable[],
  forMs: number,
  kinds: readonly FaultKind[] = allKinds,
): Plan {
  const faults: Fault[] = [];
  const calms = Array.from({ length: Math.floor(forMs / calmEveryMs) - 1 }, (_, index) => ({
    atMs: (index + 1) * calmEveryMs,
    lastsMs: calmMs,
  }));
  const groupOf = new Map(targets.map(({ name, group }) => [name, group]));
  const turns = new Turns(random, kinds);
  for (let atMs = random(1000); atMs < forMs; atMs += 100 + random(1200)) {
    const standing = faults.filter((fault) => fault.atMs + fault.lastsMs + restMs > atMs);
    const hurt = standing.map(({ target }) => groupOf.get(target));
    if (hurt.length >= atOnceMax) continue;
    const able = (kind: FaultKind) =>
      targets.filter(
        ({ name, group, kinds: own }) =>
          own.includes(kind) &&
          !hurt.includes(group) &&
          faults.filter((fault) => fault.kind === kind && fault.target === name).length <
            (timesMax[kind] ?? Infinity),
      );
    const kind = turns.next((each) => able(each).length > 0);
    const [first, ...rest] = kind === undefined ? [] : able(kind);
    if (kind === undefined || first === undefined) continue;
    const [leastMs, moreMs] = lasting[kind];
    const untilMs = Math.min(forMs, ...calms.filter((calm) => calm.atMs + calm.lastsMs > atMs).map(startOf));
    const lastsMs = Math.min(leastMs + random(moreMs), untilMs - atMs);
    const { name } = pick(random, [first, ...rest]);
    const draw = random(2 ** 32);
    if (lastsMs < leastMs) continue;
    faults.push({ kind, target: name, atMs, lastsMs, draw });
  }
  return { faults, calms };
}

const startOf = ({ atMs }: Calm) => atMs;

/** A line each, in the order of time. */
export function printPlan({ faults, calms }: Plan): string {
  const lines = [
    ...faults.map(({ atMs, lastsMs, kind, target, draw }) => {
      const what = `${kind} ${target} for ${seconds(lastsMs)}, draw ${draw}`;
      return { atMs, what };
    }),
    ...calms.map(({ atMs, lastsMs }) => ({ atMs, what: `calm for ${seconds(lastsMs)}` })),
  ];
  return lines
    .toSorted((a, b) => a.atMs - b.atMs)
    .map(({ atMs, what }) => `${seconds(atMs)}: ${what}`)
    .join("\n");
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** A pack of cards, shuffled anew when it is empty. */
class Turns {
  readonly #random: Random;
  readonly #kinds: readonly FaultKind[];
  #left: FaultKind[] = [];

  constructor(random: Random, kinds: readonly FaultKind[]) {
    this.#random = random;
    this.#kinds = kinds;
  }

  /** The next one that can be had now; the others keep their place. */
  next(possible: (kind: FaultKind) => boolean): FaultKind | undefined {
    if (!this.#left.some(possible)) this.#left.push(...this.#shuffled());
    const at = this.#left.findIndex(possible);
    return at < 0 ? undefined : this.#left.splice(at, 1)[0];
  }

  #shuffled(): readonly FaultKind[] {
    const from = [...this.#kinds];
    return this.#kinds.flatMap(() => from.splice(this.#random(from.length), 1));
  }
}

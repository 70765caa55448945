/** Carries a plan out, and writes down when each fault really stood: on a busy machine later, and longer, than planned. */
import { nowMs, wait } from "../wait.ts";
import { groupOf } from "./hurtables.ts";
import { type Fault, type FaultKind, type Plan, seconds } from "./plan.ts";

/** How one kind of fault is done to one target. What `begin` did, `end` undoes, whatever became of it. */
export interface Effect {
  /** @param draw chooses the rest; the same for the same seed */
  begin(draw: number): Promise<void> | void;
  end(): Promise<void> | void;
}

export type Effects = Readonly<Partial<Record<FaultKind, Effect>>>;

/** By name of the target. */
export type Targets = ReadonlyMap<string, Effects>;

/** Wall time: `begunMs` when it fully stood, `endMs` when its end began, `overMs` when it was undone. */
export interface Stood {
  readonly fault: Fault;
  readonly beginMs: number;
  readonly begunMs: number;
  endMs: number;
  overMs: number;
}

export interface Stillness {
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface Inflicted {
  readonly stood: readonly Stood[];
  /** Times in which no fault stood and none was undone. */
  readonly calms: readonly Stillness[];
}

type Step = { readonly atMs: number; readonly fault?: Fault; readonly calmMs?: number };

/** Resolves when all of them are undone. A calm begins when the last fault before it is over, and is as long as planned. */
export async function inflict(plan: Plan, targets: Targets, log: (line: string) => void): Promise<Inflicted> {
  const steps: readonly Step[] = [
    ...plan.faults.map((fault) => ({ atMs: fault.atMs, fault })),
    ...plan.calms.map(({ atMs, lastsMs }) => ({ atMs, calmMs: lastsMs })),
  ].toSorted((a, b) => a.atMs - b.atMs);
  const standing = new Map<string, Promise<void>>();
  const [stood, calms]: [Stood[], Stillness[]] = [[], []];
  let startMs = nowMs();
  for (const { atMs, fault, calmMs } of steps) {
    await wait(startMs + atMs - nowMs());
    if (calmMs !== undefined) {
      await Promise.all(standing.values());
      const fromMs = nowMs();
      log(`${seconds(atMs)}: calm for ${seconds(calmMs)}`);
      await wait(calmMs);
      calms.push({ fromMs, untilMs: nowMs() });
      startMs = nowMs() - atMs - calmMs;
    }
    if (!fault) continue;
    const effect = targets.get(fault.target)?.[fault.kind];
    if (!effect) throw new Error(`nothing called ${fault.target} can be hurt by ${fault.kind}`);
    // On a busy machine the one before may still stand.
    await standing.get(groupOf(fault.target));
    log(`${seconds(atMs)}: ${fault.kind} ${fault.target} for ${seconds(fault.lastsMs)}`);
    const beginMs = nowMs();
    await effect.begin(fault.draw);
    const record: Stood = { fault, beginMs, begunMs: nowMs(), endMs: Infinity, overMs: Infinity };
    stood.push(record);
    const end = async () => {
      await wait(fault.lastsMs);
      record.endMs = nowMs();
      await effect.end();
      record.overMs = nowMs();
    };
    standing.set(groupOf(fault.target), end());
  }
  await Promise.all(standing.values());
  return { stood, calms };
}

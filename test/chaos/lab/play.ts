/** One run: faults, containers, keys, locks and names at once for a time; then everything heals and is judged. */
import { seeded } from "../../fuzz/mutate.ts";
import { waitFor } from "../../lab/command.ts";
import { ageVerdicts, aliveMs, freshAgainMs, isNew, slackMs } from "./age/age-verdicts.ts";
import { History, isFresh } from "./age/ages.ts";
import { Askers } from "./age/askers.ts";
import { Beacon } from "./age/beacon.ts";
import { Containers } from "./containers.ts";
import { hurtables } from "./faults/hurtables.ts";
import { type Inflicted, inflict, type Stood } from "./faults/inflict.ts";
import { allKinds, type FaultKind, planFaults, seconds } from "./faults/plan.ts";
import { targetsOf } from "./faults/targets.ts";
import { weatherBy } from "./faults/weather.ts";
import { Keys, type Outcome, Tally } from "./keys.ts";
import { Locks } from "./locks.ts";
import { Pace } from "./pace.ts";
import { quorumVerdicts } from "./quorum-verdict.ts";
import { Rig } from "./rig.ts";
import {
  addressVerdicts,
  epochs,
  keyVerdicts,
  leakVerdict,
  lockVerdict,
  namespaces,
  termVerdict,
  type Verdict,
} from "./verdicts.ts";
import { nowMs } from "./wait.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly durationMs: number;
  /** Default: all. Fewer make another plan. */
  readonly kinds?: readonly FaultKind[];
  readonly log?: (line: string) => void;
}

export interface ChaosResult {
  readonly seed: number;
  readonly durationMs: number;
  /** By what links were made bad. */
  readonly weather: string;
  /** `kill h` → how often. */
  readonly faults: Readonly<Record<string, number>>;
  readonly containers: Containers["counts"];
  /** Containers whose host lost its disk. */
  readonly ghosts: number;
  readonly operations: Readonly<Record<string, Readonly<Record<Outcome, number>>>>;
  /** How many times as long as on an idle machine work took. */
  readonly slowness: number;
  /** Until every agent's answers were fresh, after the last fault. */
  readonly freshAgainMs: number;
  readonly verdicts: readonly TimedVerdict[];
  /** Ends of the processes' standard error, when something broke. */
  readonly logs: string | undefined;
}

export interface TimedVerdict extends Verdict {
  /** Of the group of verdicts it is of. */
  readonly tookMs: number;
}

/** Containers a host; registers and locks at a time; clients of keys and of locks an agent. */
const [slots, registers, locks] = [2, 4, 2];
const operationTimeoutMs = 4000;
const healMs = 60_000;

export async function playChaos({
  seed,
  durationMs,
  kinds = allKinds,
  log = () => undefined,
}: ChaosOptions): Promise<ChaosResult> {
  const rig = await Rig.open();
  const askers = new Askers(rig);
  const pace = new Pace();
  try {
    const means = weatherBy(rig.lab.path("core"));
    log(`the fabric is ready; bad links by ${means}`);
    const targets = targetsOf(rig, means);
    // Each part draws from a sequence of its own: how quickly one goes on says nothing to the others.
    const plan = planFaults(seeded(seed), hurtables, durationMs, kinds);
    const terms = await epochs(rig);
    const wiped = new Set<string>();
    rig.onWiped(({ name }) => wiped.add(name));
    const tally = new Tally();
    const containers = new Containers(rig);
    const [keys, locking] = [new Keys(tally, registers), new Locks(tally, locks)];
    const beacon = new Beacon(rig.servers.map(({ httpPort }) => httpPort));
    const shining = beacon.shine();
    askers.start();
    const clients = rig.hosts.flatMap((host, index) => {
      const api = rig.api(host, operationTimeoutMs);
      return [keys.client(api, seeded(seed + 100 + index)), locking.client(api, seeded(seed + 200 + index))];
    });
    const churn = containers.churn(seeded(seed + 300), slots);
    const hurting = inflict(plan, targets, log).then(async (inflicted) => {
      log("all faults are over");
      const fresh = await freshAgain(rig, askers, beacon, inflicted.stood, pace);
      log(`every answer is fresh after ${fresh.tookMs} ms`);
      for (const part of [containers, keys, locking]) part.end();
      return { inflicted, fresh };
    });
    const [{ inflicted, fresh }] = await Promise.all([hurting, churn, ...clients]);
    beacon.end();
    await Promise.all([shining, askers.stop()]);
    await rig.healthy(healMs);
    log("everything answers again");
    const before = namespaces();
    const { slowness } = pace;
    const slackAtMs = (atMs: number) => slackMs * pace.slownessAt(atMs);
    log(`work took ${slowness.toFixed(1)} times as long as on an idle machine`);
    const judged = new Judged(log);
    await judged.by("keys", () => keyVerdicts(keys, rig));
    await judged.by("locks", () => [lockVerdict(locking)]);
    await judged.by("quorum", () => quorumVerdicts(inflicted.stood, tally.attempts, askers.told, slackAtMs));
    const names = rig.hosts.map(({ name }) => name);
    await judged.by("age", () => [
      ...ageVerdicts(askers.told, beacon.writings, inflicted, names, slackAtMs),
      fresh.verdict,
    ]);
    await judged.by("addresses", () => addressVerdicts(containers, rig));
    await judged.by("terms", async () => [await termVerdict(rig, terms, wiped)]);
    await judged.by("leaks", async () => {
      await containers.deleteAll(healMs);
      return [await leakVerdict(rig, before)];
    });
    await judged.by("processes", () => [{ holds: "no process ended by itself", against: rig.ended }]);
    const broken = judged.verdicts.some(({ against }) => against.length > 0);
    return {
      seed,
      durationMs,
      weather: means,
      faults: countFaults(inflicted),
      containers: containers.counts,
      ghosts: containers.ghosts,
      operations: tally.counts,
      slowness,
      freshAgainMs: fresh.tookMs,
      verdicts: judged.verdicts,
      logs: broken ? rig.logs() : undefined,
    };
  } catch (cause) {
    throw new Error(`seed ${seed}\n${rig.logs()}`, { cause });
  } finally {
    pace.stop();
    await askers.stop();
    await rig.dispose();
  }
}

class Judged {
  readonly verdicts: TimedVerdict[] = [];
  readonly #log: (line: string) => void;

  constructor(log: (line: string) => void) {
    this.#log = log;
  }

  async by(group: string, judge: () => Promise<readonly Verdict[]> | readonly Verdict[]): Promise<void> {
    const fromMs = nowMs();
    const verdicts = await judge();
    const tookMs = Math.round(nowMs() - fromMs);
    this.#log(`${group} judged in ${tookMs} ms`);
    this.verdicts.push(...verdicts.map((verdict) => ({ ...verdict, tookMs })));
  }
}

/** Waits until the last answer of every agent is, by DNS and HTTP. */
async function freshAgain(
  rig: Rig,
  { told }: Askers,
  { writings }: Beacon,
  stood: readonly Stood[],
  pace: Pace,
): Promise<{ readonly tookMs: number; readonly verdict: Verdict }> {
  const overMs = nowMs();
  let old: readonly string[] = [];
  const look = () => {
    const history = new History(writings);
    const ageMaxMs = slackMs * pace.slownessAt(nowMs());
    old = rig.hosts.flatMap(({ name }) =>
      (["DNS", "HTTP"] as const).flatMap((by) => {
        const last = told.findLast((each) => each.host === name && each.by === by && each.askedMs >= overMs);
        return last && isFresh(last, history, ageMaxMs) ? [] : [`${name}: ${by}: ${JSON.stringify(last)}`];
      }),
    );
    return old.length === 0 || undefined;
  };
  const isSomeNew = rig.hosts.some(({ name }) => isNew(name, stood, overMs));
  const boundMs = freshAgainMs + slackMs * pace.slownessAt(overMs) + (isSomeNew ? aliveMs : 0);
  const holds = `every agent answers fresh ${seconds(boundMs)} after the last fault`;
  await waitFor(holds, look, boundMs).catch(() => undefined);
  return { tookMs: Math.round(nowMs() - overMs), verdict: { holds, against: old } };
}

function countFaults({ stood }: Inflicted): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of allKinds)
    for (const { fault } of stood.filter((each) => each.fault.kind === kind)) {
      const name = `${kind} ${fault.target.replace(/\d/, "")}`;
      counts[name] = (counts[name] ?? 0) + 1;
    }
  return counts;
}

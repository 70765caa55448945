/** One run: faults, containers, keys and locks at once for a time; then everything heals and is judged. */
import { seeded } from "../../fuzz/mutate.ts";
import { Containers } from "./containers.ts";
import { type Fault, faultKinds, inflict, planFaults } from "./faults.ts";
import { Keys, type Outcome, Tally } from "./keys.ts";
import { Locks } from "./locks.ts";
import { Rig } from "./rig.ts";
import {
  addressVerdicts,
  keyVerdicts,
  leakVerdict,
  lockVerdict,
  namespaces,
  type Verdict,
} from "./verdicts.ts";

export interface ChaosOptions {
  readonly seed: number;
  readonly durationMs: number;
  readonly log?: (line: string) => void;
}

export interface ChaosResult {
  readonly seed: number;
  readonly durationMs: number;
  /** `kill h1` → how often. */
  readonly faults: Readonly<Record<string, number>>;
  readonly containers: Containers["counts"];
  readonly operations: Readonly<Record<string, Readonly<Record<Outcome, number>>>>;
  readonly verdicts: readonly Verdict[];
  /** Ends of the processes' standard error, when something broke. */
  readonly logs: string | undefined;
}

/** Containers a host; registers and locks at a time; clients of keys and of locks an agent. */
const [slots, registers, locks] = [2, 4, 2];
const operationTimeoutMs = 4000;
const healMs = 60_000;

export async function playChaos({
  seed,
  durationMs,
  log = () => undefined,
}: ChaosOptions): Promise<ChaosResult> {
  const rig = await Rig.open();
  try {
    log("the fabric is ready");
    // Each part draws from a sequence of its own: how quickly one goes on says nothing to the others.
    const plan = planFaults(
      seeded(seed),
      rig.targets.map(({ name }) => name),
      durationMs,
    );
    const tally = new Tally();
    const containers = new Containers(rig);
    const [keys, locking] = [new Keys(tally, registers), new Locks(tally, locks)];
    const clients = rig.hosts.flatMap((host, index) => {
      const api = rig.api(host, operationTimeoutMs);
      return [keys.client(api, seeded(seed + 100 + index)), locking.client(api, seeded(seed + 200 + index))];
    });
    const churn = containers.churn(seeded(seed + 300), slots);
    const ends = async () => {
      await inflict(plan, rig.targets, log);
      for (const part of [containers, keys, locking]) part.end();
    };
    await Promise.all([ends(), churn, ...clients]);
    log("all faults are over");
    await rig.healthy(healMs);
    log("everything answers again");
    const before = namespaces();
    const verdicts = [
      ...(await keyVerdicts(keys, rig)),
      lockVerdict(locking),
      ...(await addressVerdicts(containers, rig)),
    ];
    await containers.deleteAll(healMs);
    verdicts.push(await leakVerdict(rig, before), {
      holds: "no process ended by itself",
      against: rig.ended,
    });
    const broken = verdicts.some(({ against }) => against.length > 0);
    return {
      seed,
      durationMs,
      faults: countFaults(plan),
      containers: containers.counts,
      operations: Object.fromEntries(tally.counts),
      verdicts,
      logs: broken ? rig.logs() : undefined,
    };
  } catch (cause) {
    throw new Error(`seed ${seed}\n${rig.logs()}`, { cause });
  } finally {
    await rig.dispose();
  }
}

function countFaults(plan: readonly Fault[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of faultKinds)
    for (const { target } of plan.filter((fault) => fault.kind === kind)) {
      const name = `${kind} ${target.replace(/\d/, "")}`;
      counts[name] = (counts[name] ?? 0) + 1;
    }
  return counts;
}

/**
 * What runs behind the services of one machine, well or not, and the program that their checks run. The node's own word
 * on a service is held against what its checks were really answered.
 */
import type { ContainerExec } from "../../../health/index.ts";
import type { CheckStatus, ServiceDefinition } from "../../../registry/index.ts";
import type { Life, Machine } from "./life.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

export const checkEveryMs = 5000;
export const deregisterAfterMs = 60_000;
/** What a slow disk makes of a removal. */
const removalMs = 120_000;
const never = Number.NEGATIVE_INFINITY;
const exitCodes = [0, 0, 1, 2] as const;

type ExitCode = (typeof exitCodes)[number];

interface Workload {
  exitCode: ExitCode;
  /** What its check was answered, the last one at the end. */
  readonly answers: CheckStatus[];
  /** When that was last another thing than critical. */
  wellAtMs: number;
  /** When it was well again after it had been ill for so long that the node might begin to take it away. */
  rescuedAtMs: number;
}

export class Workloads {
  readonly #world: World;
  readonly #machine: Machine;
  readonly #all = new Map<string, Workload>();

  constructor(world: World, machine: Machine) {
    this.#world = world;
    this.#machine = machine;
  }

  /** Some of them are or become well, ill or nearly so. */
  change(id: string, exitCode: ExitCode = this.#world.random.pick(exitCodes)): void {
    this.#of(id).exitCode = exitCode;
  }

  exec(life: Life): ContainerExec {
    return (id, _, { signal }) =>
      new Promise((resolve, reject) => {
        const workload = this.#of(id);
        const onAbort = () => {
          workload.answers.push("critical");
          reject(signal.reason as Error);
        };
        signal.addEventListener("abort", onAbort, { once: true });
        const answer = () => {
          if (signal.aborted) return;
          signal.removeEventListener("abort", onAbort);
          const { exitCode } = workload;
          workload.answers.push(statusOf(exitCode));
          if (exitCode !== 2) this.#isWell(id);
          resolve({ exitCode });
        };
        this.#world.start(this.#world.scheduler.point(life, `probe ${id}`).then(answer));
      });
  }

  status(id: string): CheckStatus {
    return statusOf(this.#of(id).exitCode);
  }

  /** The node may take it away by itself. */
  isLongIll(id: string): boolean {
    const { wellAtMs, rescuedAtMs } = this.#of(id);
    const { nowMs } = this.#machine;
    return nowMs - wellAtMs >= deregisterAfterMs || nowMs - rescuedAtMs < removalMs;
  }

  #isWell(id: string): void {
    const workload = this.#of(id);
    const { nowMs } = this.#machine;
    if (nowMs - workload.wellAtMs >= deregisterAfterMs) workload.rescuedAtMs = nowMs;
    workload.wellAtMs = nowMs;
  }

  /** Why the node may not say so, if it may not. */
  against(id: string, said: CheckStatus): string | undefined {
    const { answers } = this.#of(id);
    if (answers.at(-1) === said || (said === "critical" && answers.length === 0)) return undefined;
    return `it is called ${said}; its check was answered ${answers.slice(-3).join()}`;
  }

  #of(id: string): Workload {
    const known = this.#all.get(id);
    if (known) return known;
    const made: Workload = { exitCode: 0, answers: [], wellAtMs: never, rescuedAtMs: never };
    this.#all.set(id, made);
    return made;
  }
}

export function definitionOf(id: string, port: number, random: Random): ServiceDefinition {
  return {
    id,
    name: "web",
    port,
    checks: [
      {
        id: `check-${id}`,
        probe: { kind: "exec", container: id, args: ["look"], intervalMs: checkEveryMs },
        ...(random.chance(0.5) ? { deregisterCriticalServiceAfterMs: deregisterAfterMs } : {}),
      },
    ],
  };
}

function statusOf(exitCode: ExitCode): CheckStatus {
  return (["passing", "warning", "critical"] as const)[exitCode];
}

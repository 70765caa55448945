/**
 * `npm run chaos:lab [-- OPTIONS]`: real processes are hurt under load, in a world of its own, then judged. Ends with
 * status 1 when a verdict broke, 2 when it was asked wrongly. The seed is printed first, the way to replay it last.
 */
import { parseArgs } from "node:util";
import { seeded } from "../../fuzz/mutate.ts";
import { run } from "../../lab/command.ts";
import { installFor } from "../../setup/packages.ts";
import { insideWorld, runInWorld } from "../../world.ts";
import { hurtables } from "./faults/hurtables.ts";
import { allKinds, type FaultKind, faultKinds, planFaults, printPlan } from "./faults/plan.ts";

const minutesDefault = 3;
const minutesMax = 24 * 60;

const usage = `npm run chaos:lab [-- OPTIONS]

Three members of etcd, two servers and four agents with containers, keys, locks and names, as real processes in network
namespaces without an uplink, are hurt as a plan says, healed and judged. Status 1: a verdict broke.

  --seed N        draws the plan and what the clients do; without it, another one each time, which is printed
  --minutes N     how long they are hurt (${minutesDefault}); a minute more goes to starting and judging
  --faults A,B    only these kinds, which makes another plan
  --plan          prints the plan and hurts nobody
  --json          prints the figures as one object
  --help          prints this

To replay a run, give it its seed, minutes and faults: the same processes are hurt at the same times in the same way. What
they make of it differs, as they are real: run a seed that broke several times.

${Object.entries(faultKinds)
  .map(([kind, what]) => `  ${kind.padEnd(16)}${what}`)
  .join("\n")}
`;

interface Options {
  readonly seed: number;
  readonly minutes: number;
  readonly kinds: readonly FaultKind[];
  readonly plan: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

/** Undefined: asked wrongly. */
function options(): Options | undefined {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: "string" },
        minutes: { type: "string", default: `${minutesDefault}` },
        faults: { type: "string", default: allKinds.join() },
        plan: { type: "boolean", default: false },
        json: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    });
    const [minutes, seed] = [Number(values.minutes), Number(values.seed ?? Date.now() % 2 ** 32)];
    const kinds = allKinds.filter((kind) => values.faults.split(",").includes(kind));
    const isRight =
      minutes > 0 &&
      minutes <= minutesMax &&
      Number.isInteger(seed) &&
      kinds.length === values.faults.split(",").length;
    return isRight ? { ...values, seed, minutes, kinds } : undefined;
  } catch {
    return undefined;
  }
}

async function main(): Promise<number> {
  const asked = options();
  if (asked?.help) process.stdout.write(usage);
  else if (!asked) process.stderr.write(usage);
  if (!asked || asked.help) return asked ? 0 : 2;
  const { seed, minutes, kinds } = asked;
  const durationMs = minutes * 60_000;
  if (asked.plan) {
    process.stdout.write(`${printPlan(planFaults(seeded(seed), hurtables, durationMs, kinds))}\n`);
    return 0;
  }
  if (!insideWorld()) {
    installFor("test");
    const same = ["--seed", `${seed}`, "--minutes", `${minutes}`, "--faults", kinds.join()];
    const json = asked.json ? ["--json"] : [];
    return runInWorld([process.execPath, import.meta.filename, ...same, ...json]);
  }
  inMemory();
  const log = (line: string) => void process.stderr.write(`${line}\n`);
  log(`seed ${seed}`);
  const { playChaos } = await import("./play.ts");
  const { report } = await import("./report.ts");
  const result = await playChaos({ seed, durationMs, kinds, log });
  process.stdout.write(`${asked.json ? JSON.stringify(result) : report(result)}\n`);
  return result.verdicts.some(({ against }) => against.length > 0) ? 1 : 0;
}

/** All files of a run, so that none is left of one that is killed: /mnt of this world is nobody else's. */
function inMemory(): void {
  run(["mount", "-t", "tmpfs", "-o", "size=4g", "tmpfs", "/mnt"]);
  process.env["TMPDIR"] = "/mnt";
}

try {
  process.exitCode = await main();
} catch (error) {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.stack : "";
  process.stderr.write(
    `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n${cause}\n`,
  );
  // Whatever still runs ends with this world.
  process.exit(1);
}

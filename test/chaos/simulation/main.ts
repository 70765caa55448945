/**
 * `npm run chaos -- [--seeds N] [--seed N] [--steps N] [--json]`: the simulation under N seeds, from `--seed` on. Ends
 * with status 1 when a promise was seen broken, and prints the seed that shows it again and the last things that happened.
 */
import { parseArgs } from "node:util";
import { type RunResult, simulate } from "./simulate.ts";

const usage = "usage: npm run chaos -- [--seeds N] [--seed N] [--steps N] [--json]\n";
const traceLines = 40;

function show({ seed, steps, violation, trace, digest }: RunResult, stepsMax: number): string {
  const lines = trace.slice(-traceLines).map((line) => `  ${line}`);
  return `seed ${seed}, step ${steps}: ${violation}\n${lines.join("\n")}\n  (digest ${digest}; again: npm run chaos -- --seed ${seed} --seeds 1 --steps ${stepsMax})\n`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "1000" },
      seed: { type: "string", default: "1" },
      steps: { type: "string", default: "2000" },
      json: { type: "boolean", default: false },
    },
  });
  const [seeds, first, steps] = [values.seeds, values.seed, values.steps].map(Number) as [
    number,
    number,
    number,
  ];
  if (![seeds, first, steps].every((each) => Number.isInteger(each) && each >= 0)) {
    process.stderr.write(usage);
    return 2;
  }
  const startedAtMs = performance.now();
  const failures: RunResult[] = [];
  let stepsDone = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const result = await simulate({ seed, steps });
    stepsDone += result.steps;
    if (result.violation === undefined) continue;
    failures.push(result);
    if (!values.json) process.stdout.write(show(result, steps));
  }
  const durationMs = Math.round(performance.now() - startedAtMs);
  const stepsPerSecond = Math.round((stepsDone * 1000) / Math.max(1, durationMs));
  const summary = { seeds, seed: first, steps: stepsDone, durationMs, stepsPerSecond };
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ ...summary, failures })}\n`
      : `${seeds} seeds from ${first}, ${stepsDone} steps in ${durationMs} ms (${stepsPerSecond} steps/s): ${failures.length} failed\n`,
  );
  return failures.length > 0 ? 1 : 0;
}

process.exitCode = await main();

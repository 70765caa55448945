/**
 * `npm run chaos:lab [-- --minutes N --seed N --json]`: real processes are killed, frozen and cut off under load, in a world
 * of its own, then judged. Ends with status 1 when an invariant broke; the seed is printed.
 */
import { parseArgs } from "node:util";
import { installFor } from "../../setup/packages.ts";
import { insideWorld, runInWorld } from "../../world.ts";
import type { ChaosResult } from "./play.ts";

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "3" },
      seed: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const [minutes, seed] = [Number(values.minutes), Number(values.seed ?? Date.now() % 2 ** 32)];
  if (!(minutes > 0 && minutes <= 24 * 60) || !Number.isInteger(seed)) {
    process.stderr.write("usage: npm run chaos:lab [-- --minutes N --seed N --json]\n");
    return 2;
  }
  if (!insideWorld()) {
    installFor("test");
    return runInWorld([process.execPath, import.meta.filename, ...process.argv.slice(2)]);
  }
  const { playChaos } = await import("./play.ts");
  process.stderr.write(`seed ${seed}\n`);
  const log = (line: string) => void process.stderr.write(`${line}\n`);
  const result = await playChaos({ seed, durationMs: minutes * 60_000, log });
  process.stdout.write(`${values.json ? JSON.stringify(result) : report(result)}\n`);
  return result.verdicts.some(({ against }) => against.length > 0) ? 1 : 0;
}

function report({ seed, durationMs, faults, containers, operations, verdicts, logs }: ChaosResult): string {
  const row = (name: string, ...cells: readonly (string | number)[]) =>
    `  ${name.padEnd(16)}${cells.map((cell) => `${cell}`.padStart(9)).join("")}`;
  return [
    ...(logs === undefined ? [] : [logs]),
    `seed ${seed}, ${durationMs / 60_000} minutes`,
    ...Object.entries(faults).map(([name, count]) => row(name, count)),
    row("containers", "done", "refused"),
    row("ADD", containers.adds, containers.addsRefused),
    row("DEL", containers.dels, containers.delsRefused),
    row("keys", "ok", "fail", "unknown"),
    ...Object.entries(operations).map(([name, { ok, fail, unknown }]) => row(name, ok, fail, unknown)),
    ...verdicts.flatMap(({ holds, against }) => [
      `${against.length === 0 ? "ok    " : "BROKEN"} ${holds}`,
      ...against.slice(0, 20).map((line) => `       ${line}`),
    ]),
  ].join("\n");
}

try {
  process.exitCode = await main();
} catch (error) {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.stack : "";
  process.stderr.write(
    `${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n${cause}\n`,
  );
  process.exitCode = 1;
}

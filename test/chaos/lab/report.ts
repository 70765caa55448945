/** What a run did and what came of it, for people. */
import type { ChaosResult } from "./play.ts";

const linesMax = 20;

export function report(result: ChaosResult): string {
  const { seed, durationMs, weather, faults, containers, ghosts, operations, verdicts, logs } = result;
  const row = (name: string, ...cells: readonly (string | number)[]) =>
    `  ${name.padEnd(16)}${cells.map((cell) => `${cell}`.padStart(9)).join("")}`;
  const broken = verdicts.filter(({ against }) => against.length > 0);
  const sum = (of: "ok" | "fail" | "unknown") =>
    Object.values(operations).reduce((all, counts) => all + counts[of], 0);
  return [
    ...(logs === undefined ? [] : [logs]),
    `seed ${seed}, ${durationMs / 60_000} minutes; bad links by ${weather}`,
    ...Object.entries(faults).map(([name, count]) => row(name, count)),
    row("containers", "done", "refused"),
    row("ADD", containers.adds, containers.addsRefused),
    row("DEL", containers.dels, containers.delsRefused),
    row("lost with disk", ghosts),
    row("operations", "ok", "fail", "unknown"),
    ...Object.entries(operations).map(([name, { ok, fail, unknown }]) => row(name, ok, fail, unknown)),
    row("all", sum("ok"), sum("fail"), sum("unknown")),
    `fresh ${result.freshAgainMs} ms after the last fault; work took ${result.slowness.toFixed(1)} times as long as on an idle machine`,
    ...verdicts.flatMap(({ holds, against, tookMs }) => [
      `${against.length === 0 ? "ok    " : "BROKEN"} ${holds} (${tookMs} ms)`,
      ...against.slice(0, linesMax).map((line) => `       ${line}`),
      ...(against.length > linesMax ? [`       and ${against.length - linesMax} more`] : []),
    ]),
    `${verdicts.length} verdicts, ${broken.length} broken`,
    `again: npm run chaos:lab -- --seed ${seed} --minutes ${durationMs / 60_000}`,
  ].join("\n");
}

/** `npm run check`: every rule that can be judged without running the fabric, one after the other, all of them. */
import { spawnSync } from "node:child_process";
import { projectRoot } from "./rules/source-files.ts";

const steps: readonly (readonly [string, readonly string[]])[] = [
  ["types", ["tsc"]],
  ["format and lint", ["biome", "ci", "--colors=off", "--diagnostic-level=warn", "."]],
  ["promises and cycles", ["oxlint", "--type-aware", "--quiet"]],
  ["rules", ["vitest", "run", "test/rules/"]],
];

let failed = 0;
for (const [title, [program = "", ...args]] of steps) {
  const startMs = performance.now();
  const result = spawnSync(program, args, {
    cwd: projectRoot,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: undefined },
  });
  const ok = result.status === 0;
  process.stdout.write(`${ok ? "ok  " : "FAIL"} ${title} (${Math.round(performance.now() - startMs)} ms)\n`);
  if (ok) continue;
  failed++;
  process.stdout.write(`${result.error?.message ?? ""}${result.stdout ?? ""}${result.stderr ?? ""}`);
}
process.exitCode = failed === 0 ? 0 : 1;

/**
 * `npm test`: installs what is missing, checks the rules, then runs every test in a world of its own.
 * Arguments go to vitest: `npm test -- ipam/`.
 */
import { spawnSync } from "node:child_process";
import { projectRoot } from "./rules/source-files.ts";
import { installFor } from "./setup/packages.ts";
import { runInWorld } from "./world.ts";

function main(): number {
  installFor("test");
  const filters = process.argv.slice(2);
  if (filters.length === 0) {
    const check = spawnSync(process.execPath, ["test/check.ts"], { cwd: projectRoot, stdio: "inherit" });
    if (check.status !== 0) return check.status ?? 1;
  }
  const scope = filters.length > 0 ? filters : ["--exclude", "test/rules/**"];
  return runInWorld([process.execPath, "node_modules/vitest/vitest.mjs", "run", ...scope]);
}

process.chdir(projectRoot);
try {
  process.exitCode = main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

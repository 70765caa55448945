/**
 * `node test/setup/main.ts run|test|bench`: installs the Debian packages that the purpose needs, and makes the bundle that
 * `cli/heddle` runs.
 */
import { bundle } from "../../cli/bundle/build.ts";
import { projectRoot } from "../rules/source-files.ts";
import { installFor, type Purpose } from "./packages.ts";

const purpose = process.argv[2] ?? "test";
if (purpose !== "run" && purpose !== "test" && purpose !== "bench") {
  process.stderr.write(`set up ${JSON.stringify(purpose)}: expected run, test or bench\n`);
  process.exit(2);
}
try {
  installFor(purpose satisfies Purpose);
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(1);
}
// Where nobody may write, say: all works without it.
await bundle(projectRoot).catch((error: unknown) => {
  process.stderr.write(`bundle Heddle: ${messageOf(error)}; it runs from its sources, and starts slower\n`);
});

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

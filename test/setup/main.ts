/** `node test/setup/main.ts run|test|bench`: installs the Debian packages that the purpose needs. */
import { installFor, type Purpose } from "./packages.ts";

const purpose = process.argv[2] ?? "test";
if (purpose !== "run" && purpose !== "test" && purpose !== "bench") {
  process.stderr.write(`set up ${JSON.stringify(purpose)}: expected run, test or bench\n`);
  process.exit(2);
}
try {
  installFor(purpose satisfies Purpose);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

/**
 * `npm run demo [-- --json]`: the whole path on two hosts, for real, in a world of its own: a server and two
 * agents, four containers by CNI, VXLAN between them, a name with a health check, a key. Ends with status 0 only
 * if every step held.
 */
import { parseArgs } from "node:util";
import { playDemo } from "./demo/play.ts";
import { installFor } from "./setup/packages.ts";
import { insideWorld, runInWorld } from "./world.ts";

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { json: { type: "boolean", default: false } } });
  if (!insideWorld()) {
    installFor("test");
    return runInWorld([process.execPath, import.meta.filename, ...process.argv.slice(2)]);
  }
  return (await playDemo(values.json)) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}

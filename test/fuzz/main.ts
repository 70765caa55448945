/**
 * `npm run fuzz -- SUBJECT [--count N] [--seed N]`: broken input by the hundred thousand, inside of a world. Ends with
 * status 1 when something was found; the seed and the input are printed.
 */
import { parseArgs } from "node:util";
import { insideWorld, runInWorld } from "../world.ts";

interface Options {
  readonly count: number;
  readonly seed: number;
}

const subjects: Readonly<
  Record<string, (options: Options) => Promise<{ readonly failures: readonly string[] }>>
> = {
  dns: async (options) => (await import("./dns.ts")).fuzzDns(options),
  "http-engine": async (options) => (await import("./http-engine.ts")).fuzzHttpEngine(options),
  http: async (options) => (await import("./http.ts")).fuzzHttp(options),
};

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { count: { type: "string", default: "100000" }, seed: { type: "string" } },
  });
  const fuzz = subjects[positionals[0] ?? ""];
  const options = { count: Number(values.count), seed: Number(values.seed ?? Date.now() % 2 ** 32) };
  if (!fuzz || positionals.length !== 1 || !Number.isInteger(options.count + options.seed)) {
    process.stderr.write(`usage: npm run fuzz -- SUBJECT [--count N] [--seed N]\n`);
    process.stderr.write(`subjects: ${Object.keys(subjects).join(", ")}\n`);
    return 2;
  }
  if (!insideWorld()) return runInWorld([process.execPath, import.meta.filename, ...process.argv.slice(2)]);
  const result = await fuzz(options);
  process.stdout.write(`${JSON.stringify({ ...options, ...result }, undefined, 2)}\n`);
  return result.failures.length > 0 ? 1 : 0;
}

process.exitCode = await main();

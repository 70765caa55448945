/**
 * `npm run bench -- NAME [--json]`: measures Heddle beside its peers, in alternation, inside of a world. Ends with
 * status 0 when it measured, whether a budget was met or not; with --json the last line is one object.
 */
import { parseArgs } from "node:util";
import { bundle } from "../../cli/bundle/build.ts";
import { projectRoot } from "../rules/source-files.ts";
import { installFor } from "../setup/packages.ts";
import { insideWorld, runInWorld } from "../world.ts";
import type { BenchResult } from "./result.ts";

/** Texts of the options that a benchmark has of its own. */
type OwnOptions = Readonly<Record<string, string | undefined>>;

interface Bench {
  readonly title: string;
  /** Option → what its value looks like. */
  readonly options?: Readonly<Record<string, string>>;
  readonly measure: (options: OwnOptions) => Promise<BenchResult>;
}

const benches: Readonly<Record<string, Bench>> = {
  start: {
    title: "a bare process until ready, and idle",
    options: { rounds: "10" },
    measure: async ({ rounds }) =>
      (await import("./start.ts")).measureStart(rounds === undefined ? {} : { rounds: Number(rounds) }),
  },
  cni: {
    title: "CNI ADD and DEL, whole processes",
    measure: async () => (await import("./cni.ts")).measureCni(),
  },
  docker: {
    title: "Docker: connecting a container, and whole starts and stops",
    options: { rounds: "200" },
    measure: async ({ rounds }) =>
      (await import("./docker.ts")).measureDocker(rounds === undefined ? {} : { rounds: Number(rounds) }),
  },
  routes: {
    title: "rows of 10,000 remote nodes, and repair of drift",
    measure: async () => (await import("./routes.ts")).measureRoutes(),
  },
  dns: {
    title: "DNS over UDP, one server core",
    options: { names: "1000,100000", types: "A,SRV", load: "each", seconds: "1" },
    measure: async (options) => {
      const { measureDns, parseDnsBenchOptions } = await import("./dns.ts");
      return measureDns(parseDnsBenchOptions(options));
    },
  },
  kv: {
    title: "keys over HTTP: GET and durable PUT",
    measure: async () => (await import("./kv.ts")).measureKv(),
  },
  watch: {
    title: "watching keys: wakes, and what waiting weighs",
    measure: async () => (await import("./watch.ts")).measureWatch(),
  },
  register: {
    title: "registration on one node until DNS of another answers",
    measure: async () => (await import("./register.ts")).measureRegister(),
  },
  fanout: {
    title: "agents of one server, and all of them at once after its restart",
    options: {
      agents: "10000",
      instances: "100000",
      registrations: "30",
      transport: "plain|tls",
      "profile-dir": "DIR",
    },
    measure: async (options) => {
      const { measureFanout, parseFanoutOptions } = await import("./fanout.ts");
      return measureFanout(parseFanoutOptions(options));
    },
  },
};

async function main(): Promise<number> {
  const [name = "", ...args] = process.argv.slice(2);
  const bench = Object.hasOwn(benches, name) ? benches[name] : undefined;
  if (!bench) return usage();
  const own = Object.keys(bench.options ?? {}).map((option) => [option, { type: "string" }] as const);
  const { values } = parseArgs({ args, options: { json: { type: "boolean" }, ...Object.fromEntries(own) } });
  if (!insideWorld()) {
    installFor("bench");
    await bundle(projectRoot);
    return runInWorld([process.execPath, import.meta.filename, ...process.argv.slice(2)]);
  }
  const { json = false, ...options } = values as OwnOptions & { readonly json?: boolean };
  const result = await bench.measure(options);
  process.stdout.write(`${bench.title}\n${report(result)}\n`);
  if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
  return 0;
}

function usage(): number {
  const names = Object.entries(benches).map(([name, { title, options = {} }]) =>
    [
      `  ${name.padEnd(8)}${title}`,
      ...Object.entries(options).map(([key, value]) => `--${key} ${value}`),
    ].join(" "),
  );
  process.stderr.write(`usage: npm run bench -- NAME [--json]\n${names.join("\n")}\n`);
  return 2;
}

function report({ rows }: BenchResult): string {
  return rows
    .map((row) => {
      const peers = Object.entries(row.peers).map(
        ([peer, value]) => `${peer} ${value} (${row.ratio[peer]}×)`,
      );
      const budget =
        row.budget === undefined
          ? ""
          : `  budget ${row.bound} ${row.budget}${peers.length > 0 ? "×" : ""}: ${row.met ? "met" : "missed"}`;
      const without = Object.entries(row.leftOut ?? {})
        .map(([peer, reason]) => `  without ${peer}: ${reason}`)
        .join("");
      return `  ${row.metric.padEnd(42)} heddle ${row.heddle}  ${peers.join("  ")}${budget}${without}`;
    })
    .join("\n");
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}

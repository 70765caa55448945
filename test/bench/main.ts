/**
 * `npm run bench -- NAME [--json]`: measures Heddle beside its peers, in alternation, inside of a world. Ends with
 * status 0 when it measured, whether a budget was met or not; with --json the last line is one object.
 */
import { parseArgs } from "node:util";
import { installFor } from "../setup/packages.ts";
import { insideWorld, runInWorld } from "../world.ts";
import type { BenchResult } from "./result.ts";

interface Bench {
  readonly title: string;
  readonly measure: (scale: Scale) => Promise<BenchResult>;
}

/** For the bench that takes them; smaller than its own figures, it runs anywhere. */
interface Scale {
  readonly agents?: number;
  readonly instances?: number;
  readonly registrations?: number;
  readonly profileDir?: string;
}

const benches: Readonly<Record<string, Bench>> = {
  cni: {
    title: "CNI ADD and DEL, whole processes",
    measure: async () => (await import("./cni.ts")).measureCni(),
  },
  docker: {
    title: "Docker: connecting a container, and whole starts and stops",
    measure: async () => (await import("./docker.ts")).measureDocker(),
  },
  routes: {
    title: "rows of 10,000 remote nodes, and repair of drift",
    measure: async () => (await import("./routes.ts")).measureRoutes(),
  },
  dns: {
    title: "DNS over UDP, one server core",
    measure: async () => (await import("./dns.ts")).measureDns(),
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
    title: "10,000 agents of one server (--agents, --instances, --registrations, --profile-dir)",
    measure: async (scale) => (await import("./fanout.ts")).measureFanout(scale),
  },
};

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      agents: { type: "string" },
      instances: { type: "string" },
      registrations: { type: "string" },
      "profile-dir": { type: "string" },
    },
  });
  const bench = benches[positionals[0] ?? ""];
  if (!bench || positionals.length !== 1) {
    const names = Object.entries(benches).map(([name, { title }]) => `  ${name.padEnd(8)}${title}`);
    process.stderr.write(`usage: npm run bench -- NAME [--json]\n${names.join("\n")}\n`);
    return 2;
  }
  if (!insideWorld()) {
    installFor("bench");
    return runInWorld([process.execPath, import.meta.filename, ...process.argv.slice(2)]);
  }
  const { agents, instances, registrations, "profile-dir": profileDir } = values;
  const result = await bench.measure({
    ...(agents !== undefined && { agents: Number(agents) }),
    ...(instances !== undefined && { instances: Number(instances) }),
    ...(registrations !== undefined && { registrations: Number(registrations) }),
    ...(profileDir !== undefined && { profileDir }),
  });
  process.stdout.write(`${bench.title}\n${report(result)}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  return 0;
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
      return `  ${row.metric.padEnd(24)} heddle ${row.heddle}  ${peers.join("  ")}${budget}`;
    })
    .join("\n");
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
}

/**
 * Watching a key beside etcd's JSON gateway: how soon a thousand watchers hear of a write, whom a write to other
 * keys wakes, and what ten thousand idle watchers weigh. Each server on core 0, the watchers on core 1, in turns.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Background, runAsync, waitFor } from "../lab/command.ts";
import { type KvServer, loadCore, withKvServers } from "./kv-servers.ts";
import { type BenchResult, benchRow, machine } from "./result.ts";
import type { WatchersResult, WatchersSpec } from "./watchers.ts";

export interface WatchBenchOptions {
  readonly watchers?: number;
  readonly rounds?: number;
  readonly idle?: number;
}

const watchersProgram = join(import.meta.dirname, "watchers.ts");

export function measureWatch(options: WatchBenchOptions = {}): Promise<BenchResult> {
  const { watchers = 1000, rounds = 3, idle = 10_000 } = options;
  return withKvServers(async (servers) => {
    const figures = { heddle: [] as WatchersResult[], etcd: [] as WatchersResult[] };
    for (let round = 0; round < rounds; round++)
      for (const server of servers) figures[server.name].push(await watched(server, watchers));
    const weights = { heddle: [] as number[], etcd: [] as number[] };
    for (const server of servers) weights[server.name].push(await weighIdle(server, idle));
    const row = (metric: string, field: keyof WatchersResult) =>
      benchRow({
        metric,
        heddle: figures.heddle.map((figure) => figure[field]),
        peers: { etcd: figures.etcd.map((figure) => figure[field]) },
      });
    return {
      bench: "watch",
      machine: machine(),
      rows: [
        row(`wake_${watchers}_p50_ms`, "p50Ms"),
        row(`wake_${watchers}_p99_ms`, "p99Ms"),
        benchRow({
          metric: "unrelated_wakes",
          heddle: figures.heddle.map(({ unrelatedWakes }) => unrelatedWakes),
          peers: {},
          budget: 0,
        }),
        benchRow({
          metric: `idle_${idle}_resident_mib`,
          heddle: weights.heddle,
          peers: { etcd: weights.etcd },
          budget: 1,
        }),
        // Of 10,000: what README and docs promise.
        ...(idle === 10_000
          ? [
              benchRow({
                metric: "idle_10000_mb",
                heddle: weights.heddle.map((mib) => mib * 1.048576),
                peers: {},
                budget: 150,
              }),
            ]
          : []),
      ],
    };
  });
}

async function watched({ name, port }: KvServer, watchers: number): Promise<WatchersResult> {
  const spec: WatchersSpec = { port, dialect: name, watchers, rounds: 5, unrelatedWrites: 50 };
  const { stdout, stderr } = await runAsync(program(spec), { timeoutMs: 120_000 });
  if (stdout === "") throw new Error(`watchers of ${name}: ${stderr}`);
  return JSON.parse(stdout) as WatchersResult;
}

/** Resident memory of the server while so many wait. */
async function weighIdle({ name, port, process }: KvServer, count: number): Promise<number> {
  const spec: WatchersSpec = { port, dialect: name, watchers: count, rounds: 0, unrelatedWrites: 0 };
  const idle = new Background(program({ ...spec, idle: true }));
  try {
    await waitFor(`${count} watchers of ${name}`, () => idle.stdout.includes("idle") || undefined, 60_000);
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${process.pid}/status`, "utf8"))?.[1]) / 1024;
  } finally {
    await idle.killHard();
  }
}

function program(spec: WatchersSpec): string[] {
  return ["taskset", "--cpu-list", loadCore, process.execPath, watchersProgram, JSON.stringify(spec)];
}

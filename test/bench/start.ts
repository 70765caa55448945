/**
 * A bare process: from its command to ready on an empty directory, the CPU that this takes, and what it weighs idle. As users
 * start it, by `cli/heddle`; each in turn with etcd, which likewise makes a store, syncs it and listens. The first start of
 * each is not counted: it fills the compile cache.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Background, waitFor } from "../lab/command.ts";
import { projectRoot } from "../rules/source-files.ts";
import { requireWorld } from "../world.ts";
import { cpuSecondsOf, memoryOf } from "./fanout/processes.ts";
import { type BenchResult, benchRow, machine, type RowSpec } from "./result.ts";

const heddle = join(projectRoot, "cli/heddle");
const [idleMs, patienceMs] = [2000, 60_000];
const [grpc, serverGrpc, serverHttp] = ["127.0.0.1:8502", "127.0.0.1:8512", "127.0.0.1:8510"];

interface Subject {
  readonly name: string;
  command(directory: string): readonly string[];
  isReady(process: Background): Promise<boolean> | boolean;
}

interface Start {
  readonly readyMs: number;
  readonly cpuMs: number;
  readonly rssMiB: number;
}

const etcd: Subject = {
  name: "etcd",
  command: (directory) => ["etcd", "--data-dir", join(directory, "etcd"), "--log-level", "error"],
  isReady: async () => (await fetch("http://127.0.0.1:2379/health")).ok,
};

/** Time: the budget of every start. Memory: a little more than decision 016 measured, so that growth is seen. */
const subjects: readonly (Subject & { readonly budgets: Partial<Start> })[] = [
  { ...ours("up", ["up", "--no-docker"]), budgets: { readyMs: 700 } },
  { ...ours("up_grpc", ["up", "--no-docker", "--grpc", grpc]), budgets: { readyMs: 700 } },
  { ...ours("server", ["server"]), budgets: { rssMiB: 120 } },
  {
    ...ours("agent", ["agent", "--no-docker", "--insecure", "--server", serverGrpc]),
    budgets: { rssMiB: 150 },
  },
];

function ours(name: string, args: readonly string[]): Subject {
  return {
    name,
    command: (directory) => [heddle, ...args, ...places(directory), "--json"],
    isReady: ({ stdout }) => stdout.includes("\n"),
  };
}

const places = (directory: string) => [
  ...["--run-dir", join(directory, "run"), "--data-dir", join(directory, "data")],
  ...["--log-level", "error"],
];

export async function measureStart({ rounds = 10 } = {}): Promise<BenchResult> {
  requireWorld();
  const started = new Map<Subject, Start[]>([...subjects, etcd].map((subject) => [subject, []]));
  const directory = mkdtempSync(join(tmpdir(), "heddle-bench-start-"));
  const listen = ["--insecure", "--grpc", serverGrpc, "--http", serverHttp];
  const server = new Background([heddle, "server", ...listen, ...places(directory), "--json"]);
  try {
    await waitFor("the agents' server", () => server.stdout.includes("\n") || undefined, patienceMs);
    for (let round = 0; round <= rounds; round++)
      for (const [subject, starts] of started) {
        const one = await start(subject);
        if (round > 0) starts.push(one);
      }
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
  const rows = subjects.flatMap((subject) =>
    rowsOf(subject, started.get(subject) ?? [], started.get(etcd) ?? []),
  );
  return { bench: "start", machine: machine(), rows: rows.map(benchRow) };
}

/** A figure with a budget stands alone, the others of a server beside etcd's. */
function rowsOf(
  { name, budgets }: (typeof subjects)[number],
  starts: readonly Start[],
  peer: readonly Start[],
): readonly RowSpec[] {
  const row = (metric: string, key: keyof Start): RowSpec => {
    const budget = budgets[key];
    const heddle = starts.map((each) => each[key]);
    const beside = name === "server" && budget === undefined;
    return {
      metric: `${name}_${metric}`,
      heddle,
      peers: beside ? { etcd: peer.map((each) => each[key]) } : {},
      ...(budget !== undefined && { budget }),
    };
  };
  return [row("ready_ms", "readyMs"), row("ready_cpu_ms", "cpuMs"), row("idle_rss_mib", "rssMiB")];
}

async function start(subject: Subject): Promise<Start> {
  const directory = mkdtempSync(join(tmpdir(), "heddle-bench-start-"));
  const fromMs = performance.now();
  const process = new Background(subject.command(directory));
  try {
    await waitFor(
      `${subject.name} to be ready`,
      async () => {
        if (!process.running) throw new Error(process.stderr);
        return (await subject.isReady(process)) || undefined;
      },
      patienceMs,
    );
    const readyMs = performance.now() - fromMs;
    const cpuMs = cpuSecondsOf(process.pid) * 1000;
    await sleep(idleMs);
    return { readyMs, cpuMs, rssMiB: memoryOf(process.pid).rssMiB };
  } finally {
    await process.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

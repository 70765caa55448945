/**
 * DNS over UDP beside Knot, unbound and dnsmasq: each server alone has core 0, dnsperf has core 1, all answer
 * the same names: A of one instance, SRV of three. Queries a second are what dnsperf saw; CPU a query is the server
 * process's user and system time (/proc/PID/stat) over that. Servers take turns, round after round; figures are
 * medians of the rounds. `c1` rows ask from one socket, as a proxy's resolver does, `c20` rows from 20.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { queryDns } from "../../dns/index.ts";
import { type DnsBenchData, type DnsBenchType, dnsPeers, instancesOf } from "./dns-peers.ts";
import { type BenchResult, type BenchRow, benchRow, machine, type RowSpec } from "./result.ts";

export type DnsBenchLoad = "each" | "uniform" | "zipf";

export interface DnsBenchOptions {
  /** Different names asked for: a set of rows each. */
  readonly names?: readonly number[];
  readonly types?: readonly DnsBenchType[];
  /** How names are picked. `each`: one after the other; `uniform`; `zipf`: the n-th name 1/n as often as the first. */
  readonly load?: DnsBenchLoad;
  /** How long each server is asked in each round of a set of rows. */
  readonly seconds?: number;
}

/** @param texts of the options of `npm run bench -- dns`: lists with commas, and a number */
export function parseDnsBenchOptions(texts: Readonly<Record<string, string | undefined>>): DnsBenchOptions {
  const { names, types, load, seconds } = texts;
  return {
    ...(names !== undefined && { names: names.split(",").map(positive) }),
    ...(types !== undefined && { types: types.split(",").map(benchType) }),
    ...(load !== undefined && { load: benchLoad(load) }),
    ...(seconds !== undefined && { seconds: positive(seconds) }),
  };
}

function positive(text: string): number {
  if (!(Number(text) > 0)) throw new Error(`${text} is not a number above 0`);
  return Number(text);
}

function benchType(text: string): DnsBenchType {
  if (text !== "A" && text !== "SRV") throw new Error(`${text} is neither A nor SRV`);
  return text;
}

function benchLoad(text: string): DnsBenchLoad {
  if (text !== "each" && text !== "uniform" && text !== "zipf")
    throw new Error(`${text} is neither each, uniform nor zipf`);
  return text;
}

interface Running {
  readonly process: ChildProcess;
  readonly port: number;
}

type Goal = Pick<RowSpec, "budget" | "bound">;

interface Figures {
  readonly queriesPerSecond: number[];
  readonly cpuMicros: number[];
}

const run = promisify(execFile);
const clientCounts = [1, 20];
const rounds = 3;
const serverCore = "0";
const loadCore = "1";
const firstPeerPort = 25_301;
/** A random load has so many queries, and then the same again. */
const sampledQueries = 1_500_000;
const ticksPerSecond = 100;
const startMsMax = 60_000;

/** @returns rows of CPU and of rates; takes about `24 × seconds` for each type and count of names, and the servers' start */
export async function measureDns(options: DnsBenchOptions = {}): Promise<BenchResult> {
  const { names = [1000, 100_000], types = ["A", "SRV"], load = "each", seconds = 1 } = options;
  const rows: BenchRow[] = [];
  for (const count of names)
    for (const type of types) rows.push(...(await measureData({ type, names: count }, load, seconds)));
  return { bench: "dns", machine: machine(), rows };
}

async function measureData(data: DnsBenchData, load: DnsBenchLoad, seconds: number): Promise<BenchRow[]> {
  const { type, names } = data;
  const directory = mkdtempSync(join(tmpdir(), "heddle-bench-dns-"));
  const running = new Map<string, Running>();
  const leftOut: Record<string, string> = {};
  try {
    running.set("heddle", await startHeddle(data));
    for (const [i, [name, peer]] of Object.entries(dnsPeers).entries()) {
      const reason = peer.leftOut?.(data);
      const port = firstPeerPort + i;
      if (reason === undefined)
        running.set(name, await startPeer(await peer.command(directory, data, port), data, port));
      else leftOut[name] = reason;
    }
    const queries = join(directory, "queries");
    writeFileSync(queries, queryLines(data, load).join(""));
    for (const [name, server] of running)
      await dnsperf(server, queries, name === "heddle" ? ["-n", "1"] : ["-l", "0.3"]);
    const rows: BenchRow[] = [];
    for (const clients of clientCounts) {
      const figures = await alternate(running, queries, ["-c", String(clients), "-l", String(seconds)]);
      rows.push(...rowsOf(`${type.toLowerCase()}_${sizeText(names)}_c${clients}`, figures, leftOut));
    }
    return rows;
  } finally {
    for (const { process } of running.values()) process.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Neighbours are far apart: a list in order is kind to the caches of the processor. */
function queryLines({ type, names }: DnsBenchData, load: DnsBenchLoad): string[] {
  const step = 7919;
  const count = load === "each" ? names : Math.max(names, sampledQueries);
  const weights = Math.log(names);
  const pick = (i: number) => {
    if (load === "each") return i;
    return load === "uniform"
      ? Math.floor(Math.random() * names)
      : Math.floor(Math.exp(Math.random() * weights));
  };
  return Array.from({ length: count }, (_, i) => `s${(pick(i) * step) % names}.service.consul ${type}\n`);
}

async function alternate(running: ReadonlyMap<string, Running>, queries: string, how: readonly string[]) {
  const figures = new Map<string, Figures>();
  for (const name of running.keys()) figures.set(name, { queriesPerSecond: [], cpuMicros: [] });
  for (let round = 0; round < rounds; round++) {
    for (const [name, server] of running) {
      const before = cpuSeconds(server);
      const { completed, perSecond } = await dnsperf(server, queries, how);
      figures.get(name)?.cpuMicros.push(((cpuSeconds(server) - before) / completed) * 1e6);
      figures.get(name)?.queriesPerSecond.push(perSecond);
    }
  }
  return figures;
}

function rowsOf(
  what: string,
  figures: ReadonlyMap<string, Figures>,
  leftOut: Readonly<Record<string, string>>,
): BenchRow[] {
  const row = (field: keyof Figures, unit: string, which: readonly string[], goal?: Goal) => {
    const without = Object.entries(leftOut).filter(([name]) => which.includes(name));
    return benchRow({
      metric: `${what}_${unit}`,
      heddle: figures.get("heddle")?.[field] ?? [],
      peers: Object.fromEntries(
        which.flatMap((name) => {
          const values = figures.get(name)?.[field];
          return values ? [[name, values]] : [];
        }),
      ),
      ...goal,
      ...(without.length > 0 && { leftOut: Object.fromEntries(without) }),
    });
  };
  const caches = ["unbound", "dnsmasq"];
  return [
    row("cpuMicros", "cpu_us", ["knot"], { budget: 0.9, bound: "at most" }),
    row("queriesPerSecond", "queries_per_second", caches, { budget: 1.1, bound: "at least" }),
    row("cpuMicros", "cpu_us_beside_caches", caches),
    row("queriesPerSecond", "queries_per_second_beside_knot", ["knot"]),
  ];
}

function sizeText(names: number): string {
  return names >= 1000 ? `${names / 1000}k` : String(names);
}

async function startHeddle({ type, names }: DnsBenchData): Promise<Running> {
  const program = join(import.meta.dirname, "dns-server.ts");
  const args = [String(names), "worker", String(instancesOf[type])];
  const child = spawn("taskset", ["-c", serverCore, process.execPath, program, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return { process: child, port: Number(line) };
}

async function startPeer(
  command: readonly string[],
  { type, names }: DnsBenchData,
  port: number,
): Promise<Running> {
  const child = spawn("taskset", ["-c", serverCore, ...command], { stdio: "ignore" });
  const name = `s${names - 1}.service.consul`;
  const answers = () =>
    queryDns({ server: "127.0.0.1", port, name, type, timeoutMs: 200 }).then(
      (reply) => reply.answers.length === instancesOf[type],
      () => false,
    );
  const deadline = Date.now() + startMsMax;
  while (!(await answers())) {
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill("SIGKILL");
      throw new Error(`${command.join(" ")} does not answer`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { process: child, port };
}

async function dnsperf({ port }: Running, queries: string, how: readonly string[]) {
  const args = ["-c", loadCore, "dnsperf", "-s", "127.0.0.1", "-p", String(port), "-d", queries, ...how];
  const { stdout } = await run("taskset", args);
  const read = (label: string) => Number(new RegExp(`${label}:\\s+([\\d.]+)`).exec(stdout)?.[1]);
  const completed = read("Queries completed");
  if (!(completed > 0) || !/NOERROR \d+ \(100\.00%\)/.test(stdout))
    throw new Error(`dnsperf on port ${port}:\n${stdout}`);
  return { completed, perSecond: read("Queries per second") };
}

/** User and system time of the whole process, in steps of 10 ms (proc(5), fields 14 and 15). */
function cpuSeconds({ process: { pid } }: Running): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

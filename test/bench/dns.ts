/**
 * DNS over UDP beside Knot, unbound and dnsmasq: each server alone has core 0, dnsperf has core 1, all answer
 * the same A names. Queries a second are what dnsperf saw; CPU a query is the server process's user and system
 * time (/proc/PID/stat) over that. Servers take turns, round after round; figures are medians of the rounds.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { ipAdd, parseIp } from "../../addr/index.ts";
import { queryDns } from "../../dns/index.ts";
import { type BenchResult, benchRow, machine } from "./result.ts";

export interface DnsBenchOptions {
  /** Different names asked for. */
  readonly names?: number;
  readonly rounds?: number;
  readonly roundSeconds?: number;
}

interface Running {
  readonly process: ChildProcess;
  readonly port: number;
}

interface Figures {
  readonly queriesPerSecond: number[];
  readonly cpuMicros: number[];
}

const run = promisify(execFile);
const zone = "service.consul";
const serverCore = "0";
const loadCore = "1";
const firstPeerPort = 25_301;
const ticksPerSecond = 100;

/** @returns rows of rates and of CPU; takes about `rounds × roundSeconds × 4` seconds */
export async function measureDns(options: DnsBenchOptions = {}): Promise<BenchResult> {
  const { names = 1000, rounds = 5, roundSeconds = 2 } = options;
  const directory = mkdtempSync(join(tmpdir(), "heddle-bench-dns-"));
  const running = new Map<string, Running>();
  try {
    const queries = join(directory, "queries");
    writeFileSync(queries, Array.from({ length: names }, (_, i) => `s${i}.${zone} A\n`).join(""));
    running.set("heddle", await startHeddle(names));
    for (const [i, [name, start]] of Object.entries(peers).entries()) {
      running.set(name, await startPeer(start(directory, names, firstPeerPort + i), firstPeerPort + i));
    }
    const figures = new Map<string, Figures>();
    for (const [name, server] of running) {
      figures.set(name, { queriesPerSecond: [], cpuMicros: [] });
      await dnsperf(server, queries, ["-n", "1"]);
      await dnsperf(server, queries, ["-l", "1"]);
    }
    for (let round = 0; round < rounds; round++) {
      for (const [name, server] of running) {
        const before = cpuSeconds(server);
        const { completed, perSecond } = await dnsperf(server, queries, ["-l", String(roundSeconds)]);
        figures.get(name)?.cpuMicros.push(((cpuSeconds(server) - before) / completed) * 1e6);
        figures.get(name)?.queriesPerSecond.push(perSecond);
      }
    }
    return { bench: "dns", machine: machine(), rows: rows(names, figures) };
  } finally {
    for (const { process } of running.values()) process.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
}

function rows(names: number, figures: ReadonlyMap<string, Figures>) {
  const size = names >= 1000 ? `${names / 1000}k` : String(names);
  const pick = (field: keyof Figures, ...which: readonly string[]) =>
    Object.fromEntries(which.map((name) => [name, figures.get(name)?.[field] ?? []]));
  const own = (field: keyof Figures) => figures.get("heddle")?.[field] ?? [];
  return [
    benchRow({
      metric: `a_${size}_cpu_us`,
      heddle: own("cpuMicros"),
      peers: pick("cpuMicros", "knot"),
      budget: 0.9,
      bound: "at most",
    }),
    benchRow({
      metric: `a_${size}_queries_per_second`,
      heddle: own("queriesPerSecond"),
      peers: pick("queriesPerSecond", "unbound", "dnsmasq"),
      budget: 1.1,
      bound: "at least",
    }),
    benchRow({
      metric: `a_${size}_cpu_us_beside_caches`,
      heddle: own("cpuMicros"),
      peers: pick("cpuMicros", "unbound", "dnsmasq"),
    }),
    benchRow({
      metric: `a_${size}_queries_per_second_beside_knot`,
      heddle: own("queriesPerSecond"),
      peers: pick("queriesPerSecond", "knot"),
    }),
  ];
}

type StartPeer = (directory: string, names: number, port: number) => readonly [string, ...string[]];

const peers: Readonly<Record<string, StartPeer>> = {
  knot: (directory, names, port) => {
    const records = addresses(names).map(([name, ip]) => `${name} 0 IN A ${ip}`);
    const head = [
      `$ORIGIN ${zone}.`,
      "@ 0 IN SOA ns hostmaster 1 3600 600 86400 0",
      "@ 0 IN NS ns",
      "ns 0 IN A 127.0.0.1",
    ];
    writeFileSync(join(directory, "zone"), [...head, ...records, ""].join("\n"));
    const config = `
server:
  rundir: ${directory}
  listen: 127.0.0.1@${port}
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: ${directory}/knot
template:
  - id: default
    storage: ${directory}
    zonefile-sync: -1
    journal-content: none
zone:
  - domain: ${zone}
    file: zone
`;
    writeFileSync(join(directory, "knot.conf"), config);
    return ["knotd", "-c", join(directory, "knot.conf")];
  },
  unbound: (directory, names, port) => {
    const data = addresses(names).map(([name, ip]) => `local-data: "${name}.${zone}. 0 IN A ${ip}"`);
    const options = `
server:
interface: 127.0.0.1
port: ${port}
num-threads: 1
do-daemonize: no
chroot: ""
username: ""
directory: "${directory}"
pidfile: ""
use-syslog: no
logfile: ""
verbosity: 0
local-zone: "${zone}." static
`;
    writeFileSync(
      join(directory, "unbound.conf"),
      [options, ...data, "remote-control:", "control-enable: no", ""].join("\n"),
    );
    return ["unbound", "-c", join(directory, "unbound.conf")];
  },
  dnsmasq: (directory, names, port) => {
    const hosts = addresses(names).map(([name, ip]) => `${ip} ${name}.${zone}\n`);
    writeFileSync(join(directory, "hosts"), hosts.join(""));
    const where = [`--port=${port}`, "--listen-address=127.0.0.1", "--bind-interfaces"];
    const what = [
      "--no-resolv",
      "--no-hosts",
      `--addn-hosts=${join(directory, "hosts")}`,
      "--conf-file=/dev/null",
    ];
    return ["dnsmasq", "--keep-in-foreground", "--user=root", "--pid-file", ...where, ...what];
  },
};

function addresses(names: number): (readonly [string, string])[] {
  const first = parseIp("10.0.0.0");
  return Array.from({ length: names }, (_, i) => [`s${i}`, ipAdd(first, i)]);
}

async function startHeddle(names: number): Promise<Running> {
  const program = join(import.meta.dirname, "dns-server.ts");
  const child = spawn("taskset", ["-c", serverCore, process.execPath, program, String(names)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return { process: child, port: Number(line) };
}

async function startPeer(command: readonly [string, ...string[]], port: number): Promise<Running> {
  const child = spawn("taskset", ["-c", serverCore, ...command], { stdio: "ignore" });
  const answers = () =>
    queryDns({ server: "127.0.0.1", port, name: `s0.${zone}`, type: "A", timeoutMs: 200 }).then(
      (reply) => reply.answers.length === 1,
      () => false,
    );
  const deadline = Date.now() + 15_000;
  while (!(await answers())) {
    if (child.exitCode !== null || Date.now() > deadline)
      throw new Error(`${command.join(" ")} does not answer`);
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

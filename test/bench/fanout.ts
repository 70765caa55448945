/**
 * One server, thousands of agents: how soon all of them know what one registered, what that costs the server, what a
 * large fabric weighs in an agent, and how all come back after the server was restarted. There is no peer that does the
 * same (agents of Consul know only their servers), so the figures stand alone.
 *
 * Server and agents are processes of their own on this machine: the server on one core, the agents, which do the same
 * decoding that thousands of machines would share, on what is left. So times to all agents are those of the slower side:
 * where `generator_…_cpu_percent` is near a hundred, that is the agents, and the server's own part is its CPU time.
 * Each agent has a connection of its own and beats as agents do.
 *
 * It ends after `limitMs` at the latest, with what was measured by then; `completed` tells.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Background, waitFor } from "../lab/command.ts";
import { requireWorld } from "../world.ts";
import type { Settled } from "./fanout/crowd.ts";
import { nowMs } from "./fanout/light-agent.ts";
import {
  askAgent,
  Crowd,
  cpuSecondsOf,
  createToken,
  memoryOf,
  serverAddress,
  startAgent,
  startServer,
} from "./fanout/processes.ts";
import { type BenchResult, type BenchRow, benchRow, machine, type RowSpec } from "./result.ts";

export interface FanoutBenchOptions {
  readonly agents?: number;
  /** In the catalog, spread over the agents. */
  readonly instances?: number;
  readonly registrations?: number;
  /** Agents show certificates, as they do by default; without, all is plain text. */
  readonly tls?: boolean;
  /** Where the server writes CPU profiles. */
  readonly profileDir?: string | undefined;
}

export function parseFanoutOptions(texts: Readonly<Record<string, string | undefined>>): FanoutBenchOptions {
  const { agents, instances, registrations, transport, "profile-dir": profileDir } = texts;
  return {
    ...(agents !== undefined && { agents: Number(agents) }),
    ...(instances !== undefined && { instances: Number(instances) }),
    ...(registrations !== undefined && { registrations: Number(registrations) }),
    ...(transport !== undefined && { tls: transport === "tls" }),
    ...(profileDir !== undefined && { profileDir }),
  };
}

const agentsPerCrowd = 2500;
const instancesPerService = 100;
const [patienceMs, idleMs, settleMs] = [120_000, 10_000, 200];
export const limitMs = 15 * 60_000;
const log = (text: string) => process.stderr.write(`${new Date().toISOString()} ${text}\n`);

export async function measureFanout({
  agents = 10_000,
  instances = 100_000,
  registrations = 30,
  tls = false,
  profileDir,
}: FanoutBenchOptions = {}): Promise<BenchResult> {
  requireWorld();
  const directory = mkdtempSync(join(tmpdir(), "heddle-bench-fanout-"));
  const crowds: Crowd[] = [];
  const rows: BenchRow[] = [];
  const row = (metric: string, value: number, more: Omit<RowSpec, "metric" | "heddle" | "peers"> = {}) => {
    rows.push(benchRow({ metric, heddle: [value], peers: {}, ...more }));
    log(`${metric} ${value}`);
  };
  const ending = new AbortController();
  const limit = setTimeout(() => ending.abort(new Error(`not done within ${limitMs} ms`)), limitMs);
  const setting = { directory, tls, profileDir };
  const processes: Background[] = [];

  const measure = async () => {
    let server = await startServer(setting);
    processes.push(server);
    const joinBy = tls ? { token: createToken(directory, agents), directory } : undefined;
    const startMs = nowMs();
    const counts = shares(agents, Math.ceil(agents / agentsPerCrowd));
    const services = Math.max(1, Math.floor(instances / instancesPerService));
    for (const _ of counts) crowds.push(new Crowd());
    const all = <T = void>(command: Parameters<Crowd["tell"]>[0]) =>
      Promise.all(crowds.map((crowd) => crowd.tell<T>(command)));
    const generatorCpu = () => sum(crowds.map(({ pid }) => cpuSecondsOf(pid)));
    const spread = { instances: Math.floor(instances / agents), services, ...(joinBy && { joinBy }) };
    await Promise.all(
      crowds.map((crowd, i) => {
        const [first, count] = [sum(counts.slice(0, i)), counts[i] ?? 0];
        return crowd.tell({ kind: "join", server: serverAddress, first, count, ...spread });
      }),
    );
    row("first_join_s", (nowMs() - startMs) / 1000);
    row("first_join_server_cpu_s", cpuSecondsOf(server.pid));
    await Promise.all(
      crowds.map((crowd, i) =>
        crowd.tell({
          kind: "subscribe",
          common: "service/common",
          services,
          ...(i === 0 && { own: "service/own" }),
        }),
      ),
    );
    log("all subscribed");

    const idleCpu = cpuSecondsOf(server.pid);
    await sleep(idleMs);
    const idleShare = (cpuSecondsOf(server.pid) - idleCpu) / (idleMs / 1000);
    row("server_idle_cpu_percent", idleShare * 100);
    row("server_rss_mib", memoryOf(server.pid).rssMiB, { budget: 1024 });

    let registered = 0;
    const rounds = async (name: string, count: number) => {
      const [lastMs, eachMs]: number[][] = [[], []];
      const followers = name === "own" ? 1 : agents;
      for (let i = 0; i < count; i++) {
        const id = `fresh-${registered++}`;
        const index = (registered * 37) % Math.min(...counts);
        await all({ kind: "listen", view: `service/${name}`, key: `node-${index}/${id}` });
        const [startMs, ...heard] = await Promise.all([
          crowds[0]?.tell<number>({ kind: "register", index, id, name }) ?? Number.NaN,
          ...crowds.map((crowd) => crowd.tell<number[]>({ kind: "heard", patienceMs })),
        ]);
        const tookMs = heard.flat().map((atMs) => atMs - startMs);
        if (tookMs.length < followers) throw new Error(`${tookMs.length} of ${followers} agents heard of it`);
        lastMs?.push(Math.max(...tookMs));
        eachMs?.push(...tookMs);
        await sleep(settleMs);
      }
      return { lastMs: lastMs ?? [], eachMs: eachMs ?? [] };
    };
    await rounds("common", 2);
    const busyMs = nowMs();
    const [busyCpu, busyGeneratorCpu] = [cpuSecondsOf(server.pid), generatorCpu()];
    const common = await rounds("common", registrations);
    const busyS = (nowMs() - busyMs) / 1000;
    const usedS = cpuSecondsOf(server.pid) - busyCpu;
    row("register_to_all_p50_ms", at(common.lastMs, 0.5));
    row("register_to_all_p99_ms", at(common.lastMs, 0.99), { budget: 1000 });
    row("register_to_each_p50_ms", at(common.eachMs, 0.5));
    row("register_to_each_p99_ms", at(common.eachMs, 0.99));
    row("register_to_all_server_cpu_ms", ((usedS - idleShare * busyS) / registrations) * 1000);
    row("server_busy_cpu_percent", (usedS / busyS) * 100);
    row("generator_busy_cpu_percent", ((generatorCpu() - busyGeneratorCpu) / busyS) * 100);
    const own = await rounds("own", registrations);
    row("register_to_one_p50_ms", at(own.lastMs, 0.5));
    row("register_to_one_p99_ms", at(own.lastMs, 0.99));

    const agent = await startAgent(directory, tls ? createToken(directory, 1) : undefined);
    processes.push(agent);
    await waitFor(
      "the agent's catalog",
      async () => {
        const found = await askAgent("/v1/catalog/nodes");
        return Array.isArray(found) && found.length > agents ? true : undefined;
      },
      patienceMs,
    );
    await sleep(idleMs);
    row("agent_rss_mib", memoryOf(agent.pid).rssMiB, { budget: 200 });
    row("agent_peak_rss_mib", memoryOf(agent.pid).peakMiB);
    await agent.stop();

    log("restart");
    await server.stop(30_000);
    const downMs = nowMs();
    const awayCpu = generatorCpu();
    server = await startServer(setting);
    processes.push(server);
    const upMs = nowMs();
    row("restart_until_up_s", (upMs - downMs) / 1000);
    const settled = await all<Settled>({
      kind: "settled",
      afterMs: upMs - idleMs,
      patienceMs: 2 * patienceMs,
    });
    const connectedMs = settled.flatMap(({ connectedMs }) => connectedMs).map((atMs) => atMs - upMs);
    const inStepMs = settled.flatMap(({ inStepMs }) => inStepMs).map((atMs) => atMs - upMs);
    row("storm_back_percent", (inStepMs.length / agents) * 100, { budget: 100, bound: "at least" });
    row("storm_connected_p50_s", at(connectedMs, 0.5) / 1000);
    row("storm_connected_all_s", Math.max(...connectedMs) / 1000);
    row("storm_in_step_all_s", Math.max(...inStepMs) / 1000);
    row("storm_server_cpu_s", cpuSecondsOf(server.pid));
    row("storm_generator_cpu_percent", ((generatorCpu() - awayCpu) / (nowMs() - downMs)) * 1e5);
    row("storm_server_peak_mib", memoryOf(server.pid).peakMiB, { budget: 1024 });
    for (const { missing } of settled) if (missing !== undefined) log(`one is missing: ${missing}`);
  };

  const late = new Promise<never>((_, reject) =>
    ending.signal.addEventListener("abort", () => reject(ending.signal.reason), { once: true }),
  );
  try {
    await Promise.race([measure(), late]);
    row("completed", 1);
  } catch (error) {
    log(`ended early: ${error instanceof Error ? error.message : String(error)}`);
    row("completed", 0, { budget: 1, bound: "at least" });
  } finally {
    clearTimeout(limit);
    for (const crowd of crowds) crowd.stop();
    await Promise.all(processes.map((each) => each.stop(30_000)));
    rmSync(directory, { recursive: true, force: true });
  }
  const scale = { agents, instances, registrations, serverCores: 1, transport: tls ? "TLS" : "plain text" };
  return { bench: "fanout", machine: { ...machine(), ...scale }, rows };
}

function shares(count: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, i) => Math.floor((count + i) / parts));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function at(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;
}

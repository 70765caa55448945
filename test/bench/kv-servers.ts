/** The two key/value stores that are measured beside each other, each alone on core 0 with its data on disk. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Background, runAsync, waitFor } from "../lab/command.ts";
import { projectRoot } from "../rules/source-files.ts";
import { requireWorld } from "../world.ts";
import type { LoadResult, LoadSpec } from "./http-load.ts";

export const serverCore = "0";
export const loadCore = "1";
const ticksPerSecond = 100;

export interface KvServer {
  readonly name: "heddle" | "etcd";
  readonly port: number;
  readonly process: Background;
}

/** Starts both and ends both, whatever happens in between. */
export async function withKvServers<T>(measure: (servers: readonly KvServer[]) => Promise<T>): Promise<T> {
  requireWorld();
  const directory = mkdtempSync(join(tmpdir(), "heddle-bench-kv-"));
  const servers: KvServer[] = [];
  try {
    servers.push(await startHeddle(directory), await startEtcd(directory));
    return await measure(servers);
  } finally {
    for (const { process } of servers) await process.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function startHeddle(directory: string): Promise<KvServer> {
  const [port, program] = [8500, join(projectRoot, "cli/heddle")];
  const places = ["--run-dir", join(directory, "run"), "--data-dir", join(directory, "heddle")];
  const process = pinned([program, "server", ...places, "--json"]);
  return ready({ name: "heddle", port, process }, "/v1/status/leader");
}

async function startEtcd(directory: string): Promise<KvServer> {
  const port = 2379;
  const url = `http://127.0.0.1:${port}`;
  const listen = ["--listen-client-urls", url, "--advertise-client-urls", url];
  const peers = ["--listen-peer-urls", "http://127.0.0.1:2380"];
  const data = ["--data-dir", join(directory, "etcd"), "--log-level", "error"];
  return ready({ name: "etcd", port, process: pinned(["etcd", ...listen, ...peers, ...data]) }, "/health");
}

function pinned(command: readonly string[]): Background {
  return new Background(["taskset", "--cpu-list", serverCore, ...command]);
}

async function ready(server: KvServer, path: string): Promise<KvServer> {
  await waitFor(
    `${server.name} to answer`,
    async () => {
      if (!server.process.running) throw new Error(server.process.stderr);
      return (await fetch(`http://127.0.0.1:${server.port}${path}`)).ok || undefined;
    },
    20_000,
  );
  return server;
}

export interface Loaded extends LoadResult {
  /** Of the server, user and system, per answer. */
  readonly cpuMicros: number;
}

/** @throws when an answer was not the expected one: a figure of errors means nothing */
export async function loaded(server: KvServer, spec: Omit<LoadSpec, "port">): Promise<Loaded> {
  const load = [process.execPath, join(import.meta.dirname, "http-load.ts")];
  const argument = JSON.stringify({ ...spec, port: server.port });
  const before = cpuSeconds(server.process.pid);
  const { stdout, stderr } = await runAsync(["taskset", "--cpu-list", loadCore, ...load, argument], {
    timeoutMs: 60_000,
  });
  if (stdout === "") throw new Error(`load on ${server.name}: ${stderr}`);
  const result = JSON.parse(stdout) as LoadResult;
  if (result.failures > 0) throw new Error(`${server.name} refused ${result.failures} of ${result.requests}`);
  return { ...result, cpuMicros: ((cpuSeconds(server.process.pid) - before) / result.requests) * 1e6 };
}

export function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

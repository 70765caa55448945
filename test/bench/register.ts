/**
 * From the call that registers an instance on one node until the DNS of another node answers with it: three nodes
 * and a server as processes of their own, on a lab's underlay. Both other nodes are asked each millisecond.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { ApiClient } from "../../api/index.ts";
import type { Host } from "../lab/host.ts";
import { Stage } from "../lab/stage.ts";
import { type BenchResult, benchRow, machine } from "./result.ts";

export interface RegisterBenchOptions {
  readonly registrations?: number;
}

const warmUps = 20;
/** A name that nobody asked for yet costs a round trip of its own, which is not what is measured. */
const settleMs = 50;

export async function measureRegister({
  registrations = 200,
}: RegisterBenchOptions = {}): Promise<BenchResult> {
  const stage = await Stage.open({ hosts: { h1: 1, h2: 1, h3: 2 } });
  const [h1, ...others] = stage.hosts;
  if (!h1) throw new Error("the stage has no host");
  const watchers = others.map(startWatcher);
  try {
    const api = new ApiClient({ kind: "unix", path: join(h1.runDir, "api.sock") });
    const tookMs: number[] = [];
    for (let i = -warmUps; i < registrations; i++) {
      const [name, address] = [`fresh-${i + warmUps}`, `10.99.${(i + warmUps) >> 8}.${(i + warmUps) & 255}`];
      await Promise.all(watchers.map((watcher) => watcher.begin(`${name}.service.consul`, address)));
      await sleep(settleMs);
      const startMs = performance.timeOrigin + performance.now();
      const service = JSON.stringify({ ID: name, Name: name, Address: address, Port: 80 });
      const [, ...seenMs] = await Promise.all([
        api.send("PUT", "/v1/agent/service/register", service),
        ...watchers.map((watcher) => watcher.seenMs()),
      ]);
      if (i >= 0) tookMs.push(...seenMs.map((atMs) => atMs - startMs));
    }
    const sorted = tookMs.toSorted((a, b) => a - b);
    const at = (share: number) => [sorted[Math.floor(sorted.length * share)] ?? Number.NaN];
    return {
      bench: "register",
      machine: machine(),
      rows: [
        benchRow({ metric: "register_to_dns_p50_ms", heddle: at(0.5), peers: {} }),
        benchRow({ metric: "register_to_dns_p99_ms", heddle: at(0.99), peers: {}, budget: 20 }),
      ],
    };
  } finally {
    for (const watcher of watchers) await watcher.stop();
    await stage.dispose();
  }
}

interface Watcher {
  /** Resolves when the name is asked for from now on. */
  begin(name: string, address: string): Promise<void>;
  seenMs(): Promise<number>;
  stop(): Promise<void>;
}

function startWatcher(host: Host): Watcher {
  const program = join(import.meta.dirname, "../lab/name-watch.ts");
  const watcher: ChildProcess = spawn("nsenter", [`--net=${host.netns}`, process.execPath, program], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const { stdin, stdout } = watcher;
  if (!stdin || !stdout) throw new Error("the watcher has no pipes");
  const lines = createInterface(stdout)[Symbol.asyncIterator]();
  const line = async () => String((await lines.next()).value);
  return {
    begin: async (name, address) => {
      stdin.write(`${name} ${address}\n`);
      await line();
    },
    seenMs: async () => {
      const text = await line();
      if (!Number.isFinite(Number(text))) throw new Error(`a registration was seen ${text} on ${host.name}`);
      return Number(text);
    },
    stop: async () => {
      stdin.end();
      if (watcher.exitCode === null) await once(watcher, "close");
    },
  };
}

/**
 * Mutated HTTP requests, byte by byte, to a server as it runs: each on a connection of its own, which the server has
 * to end. It may refuse what it likes; it may not fail (500 of a defect), hang, crash, or keep anything.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Background, waitFor } from "../lab/command.ts";
import { heddleCommand } from "../lab/heddle.ts";
import { httpSeeds, httpWords } from "./http-corpus.ts";
import { mutate, type Random, seeded } from "./mutate.ts";

export interface HttpFuzzOptions {
  readonly count: number;
  readonly seed: number;
}

export interface HttpFuzzResult {
  readonly sent: number;
  /** Status → answers. */
  readonly statuses: Readonly<Record<string, number>>;
  /** What was wrong, with the bytes as base64. */
  readonly failures: readonly string[];
  /** Of the process, after a tenth of the run and at its end. */
  readonly residentMiB: readonly [number, number];
}

const port = 18_580;
const [concurrency, patienceMs, failuresMax] = [32, 15_000, 10];

export async function fuzzHttp({ count, seed }: HttpFuzzOptions): Promise<HttpFuzzResult> {
  const directory = mkdtempSync(join(tmpdir(), "heddle-fuzz-"));
  const server = await start(directory);
  const random = seeded(seed);
  const run = { sent: 0, statuses: {} as Record<string, number>, failures: [] as string[] };
  let earlyMiB = residentMiB(server);
  const worker = async () => {
    while (run.sent < count && run.failures.length < failuresMax && server.running) {
      run.sent++;
      if (run.sent === Math.ceil(count / 10)) earlyMiB = residentMiB(server);
      await one(random, run);
    }
  };
  try {
    await Promise.all(Array.from({ length: concurrency }, worker));
    if (!server.running) run.failures.push(`the server ended: ${server.stderr}`);
    else await assertIdle(run.failures);
    return { ...run, residentMiB: [earlyMiB, residentMiB(server)] };
  } finally {
    await server.stop();
    const defects = server.stderr.split("\n").filter((line) => line.includes('"request failed"'));
    run.failures.push(...defects.slice(0, failuresMax));
    rmSync(directory, { recursive: true, force: true });
  }
}

async function start(directory: string): Promise<Background> {
  const places = ["--run-dir", join(directory, "run"), "--data-dir", join(directory, "data")];
  const listen = ["--http", `127.0.0.1:${port}`, "--grpc", "127.0.0.1:18582", "--store", "memory"];
  const server = new Background(heddleCommand("server", ...places, ...listen, "--json"));
  await waitFor("heddle server", () => server.stdout.includes("\n") || !server.running || undefined);
  return server;
}

function residentMiB({ pid, running }: Background): number {
  if (!running) return Number.NaN;
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024);
}

/** Writes, ends its side, and waits for the end of the other. */
function one(
  random: Random,
  run: { statuses: Record<string, number>; readonly failures: string[] },
): Promise<void> {
  const bytes = mutate(httpSeeds[random(httpSeeds.length)] ?? Buffer.alloc(0), random, httpSeeds, httpWords);
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect({ host: "127.0.0.1", port });
    const fail = (what: string) => run.failures.push(`${what}: ${bytes.toString("base64")}`);
    const late = setTimeout(() => {
      fail("no end of the connection");
      socket.destroy();
    }, patienceMs);
    socket.on("data", (data) => {
      if (answer.length < 65_536) answer += data.toString("latin1");
    });
    socket.on("error", () => undefined);
    socket.once("close", () => {
      clearTimeout(late);
      for (const [, status = ""] of answer.matchAll(/HTTP\/1\.1 (\d{3})/g))
        run.statuses[status] = (run.statuses[status] ?? 0) + 1;
      if (answer.includes("Internal error: see the log")) fail("a failure of ours");
      resolve();
    });
    socket.end(bytes);
  });
}

/** Nobody waits for anything any more. */
async function assertIdle(failures: string[]): Promise<void> {
  const waiters = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/heddle/status`);
    return ((await answer.text()).match(/"waiters":(\d+)/) ?? [])[1] === "0" || undefined;
  };
  await waitFor("waiting requests to be given up", waiters).catch((error: unknown) =>
    failures.push(String(error)),
  );
}

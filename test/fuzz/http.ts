/**
 * Mutated HTTP requests, byte by byte, to a server as it runs: each on a connection of its own, which the server has
 * to end. It may refuse what it likes; it may not fail (500 of a defect), hang, crash, or keep anything.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Background, waitFor } from "../lab/command.ts";
import { projectRoot } from "../rules/source-files.ts";
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

const service = '{"Name":"web","ID":"web-1","Tags":["a"],"Port":80,"Check":{"TTL":"10s"}}';
const operations = '[{"KV":{"Verb":"set","Key":"a","Value":"YQ=="}},{"KV":{"Verb":"get","Key":"a"}}]';
const seeds: readonly Buffer[] = [
  get("/v1/kv/a?recurse&index=1&wait=1s"),
  get("/v1/kv/?keys&separator=%2f&consistent"),
  get("/v1/health/service/web?passing&tag=a&filter=Service.Port+%3e+1+and+Node+matches+%22a.*%22"),
  get("/v1/catalog/nodes?near=_agent&node-meta=a:b&pretty"),
  get("/v1/session/list?stale&max_stale=10s"),
  get("/v1/heddle/status", "Accept: text/plain\r\nOrigin: http://localhost\r\n"),
  send("PUT", "/v1/kv/a/b?cas=0&flags=42", "value"),
  send("PUT", "/v1/catalog/register", `{"Node":"x","Address":"192.0.2.1","Service":${service}}`),
  send("PUT", "/v1/session/create", '{"Node":"x","TTL":"10s","Checks":[]}'),
  send("PUT", "/v1/txn", operations),
  send("POST", "/v1/query", '{"Name":"q","Service":{"Service":"web","Tags":["!a"]}}'),
  send("PUT", "/v1/event/fire/deploy?service=web", "payload"),
  send("DELETE", "/v1/kv/a?recurse", ""),
  chunked("PUT", "/v1/kv/chunked", ["one", "two", ""]),
  Buffer.concat([get("/v1/status/leader"), get("/v1/status/peers"), send("PUT", "/v1/kv/a", "x")]),
];
/** What parsers of HTTP stumble over. */
const words = [
  ...["\r\n", "\n", "\r\n\r\n", "\0", "\r", ": ", "%00", "%", "%zz", "%2e%2e/", "//", "?", "&", "=", "\xff"],
  ...[
    "HTTP/1.0",
    "HTTP/9.9",
    "HTTP/2.0",
    "Content-Length: -1\r\n",
    "Content-Length: 5\r\nContent-Length: 6\r\n",
  ],
  ...["Transfer-Encoding: chunked\r\n", "Transfer-Encoding: gzip, chunked\r\n", "Expect: 100-continue\r\n"],
  ...["Connection: close\r\n", "Connection: upgrade\r\nUpgrade: h2c\r\n", "Host: evil\r\n", " folded\r\n"],
  ...[
    "CONNECT",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "ffffffffffffffff\r\n",
    "18446744073709551616",
    "-1",
    "1e9",
  ],
  ...["index=1&wait=10m", '{"a":'.repeat(50), "[".repeat(200), '"\\ud800"', "(a+)+$", "null", "__proto__"],
];

function get(target: string, headers = ""): Buffer {
  return Buffer.from(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${headers}\r\n`);
}

function send(method: string, target: string, body: string): Buffer {
  const head = `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`;
  return Buffer.from(head + body);
}

function chunked(method: string, target: string, parts: readonly string[]): Buffer {
  const body = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join("");
  const head = `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`;
  return Buffer.from(head + body);
}

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
  const server = new Background([join(projectRoot, "cli/heddle"), "server", ...places, ...listen, "--json"]);
  await waitFor("heddle server", () => server.stdout.includes("\n") || !server.running || undefined, 20_000);
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
  const bytes = mutate(seeds[random(seeds.length)] ?? Buffer.alloc(0), random, seeds, words);
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

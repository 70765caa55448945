/**
 * Load over HTTP/1.1, the same for every server: so many connections that are kept, one request at a time on each,
 * the next one as soon as the answer is whole. Runs as a process of its own:
 *
 *   node test/bench/http-load.ts '{"port": 8500, …}'      prints one JSON object
 *
 * Requests are bytes made beforehand but for a counter, and of an answer no more is read than where it ends, so
 * that the generator is never what is measured.
 */
import { connect, type Socket } from "node:net";

export interface LoadSpec {
  readonly port: number;
  readonly connections: number;
  readonly seconds: number;
  readonly method: "GET" | "PUT" | "POST";
  readonly path: string;
  /** A JSON text or a value; `{key}`, `{value}` and their `64` forms become a key and a value that was never there. */
  readonly body?: string;
  readonly keys: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers of another status than 200. */
  readonly failures: number;
}

export const valueBytes = 256;

export async function load(spec: LoadSpec): Promise<LoadResult> {
  const run = {
    tookMs: [] as number[],
    failures: 0,
    count: 0,
    endMs: performance.now() + spec.seconds * 1000,
  };
  const startMs = performance.now();
  await Promise.all(Array.from({ length: spec.connections }, () => drive(spec, run)));
  const seconds = (performance.now() - startMs) / 1000;
  const sorted = Float64Array.from(run.tookMs).sort();
  return {
    requests: sorted.length,
    perSecond: sorted.length / seconds,
    p50Ms: sorted[Math.floor(sorted.length * 0.5)] ?? Number.NaN,
    p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
    failures: run.failures,
  };
}

interface Run {
  readonly tookMs: number[];
  readonly endMs: number;
  failures: number;
  count: number;
}

function drive(spec: LoadSpec, run: Run): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port: spec.port, noDelay: true });
  return new Promise((resolve, reject) => {
    let sentMs = 0;
    let answer = "";
    const send = () => {
      sentMs = performance.now();
      socket.write(request(spec, run.count++));
    };
    socket.once("connect", send);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the server ended a connection")));
    socket.on("data", (bytes: Buffer) => {
      answer = answer === "" ? bytes.toString("latin1") : answer + bytes.toString("latin1");
      if (!isWhole(answer)) return;
      const nowMs = performance.now();
      run.tookMs.push(nowMs - sentMs);
      if (!answer.startsWith("HTTP/1.1 200")) run.failures++;
      answer = "";
      if (nowMs < run.endMs) send();
      else finish(socket, resolve);
    });
  });
}

function finish(socket: Socket, resolve: () => void): void {
  socket.removeAllListeners("close");
  socket.once("close", resolve);
  socket.destroy();
}

function request({ method, path, body = "", keys, port }: LoadSpec, count: number): string {
  const key = `bench/${count % keys}`;
  const fill = (text: string) => {
    if (!text.includes("{")) return text;
    const value = String(count).padStart(valueBytes, "v");
    return text
      .replace("{key}", key)
      .replace("{key64}", () => Buffer.from(key).toString("base64"))
      .replace("{value}", value)
      .replace("{value64}", () => Buffer.from(value).toString("base64"));
  };
  const content = fill(body);
  const length = method === "GET" ? "" : `Content-Length: ${content.length}\r\n`;
  return `${method} ${fill(path)} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${length}\r\n${content}`;
}

function isWhole(answer: string): boolean {
  const head = answer.indexOf("\r\n\r\n");
  if (head < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(answer.slice(0, head));
  return length ? answer.length >= head + 4 + Number(length[1]) : answer.endsWith("\r\n0\r\n\r\n");
}

if (import.meta.main)
  process.stdout.write(JSON.stringify(await load(JSON.parse(process.argv[2] ?? "") as LoadSpec)));

/**
 * Many who watch one key, each on a connection of its own, and one who writes. Runs as a process of its own:
 *
 *   node test/bench/watchers.ts '{"port": 8500, "dialect": "heddle", …}'      prints one JSON object
 *
 * Heddle is asked by blocking queries, each asked again when it is answered; etcd streams to each of them.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export interface WatchersSpec {
  readonly port: number;
  readonly dialect: "heddle" | "etcd";
  readonly watchers: number;
  readonly rounds: number;
  /** Before the rounds, to other keys. */
  readonly unrelatedWrites: number;
  /** Says `idle` when all wait, and waits. */
  readonly idle?: boolean;
}

export interface WatchersResult {
  /** From the write until a watcher hears of it, of all watchers and rounds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers and events that came of the unrelated writes. */
  readonly unrelatedWakes: number;
}

const key = "bench/watched";
const [settleMs, patienceMs] = [400, 20_000];

interface Dialect {
  /** Text of the request with which a watcher begins to wait for what comes after `index`. */
  watch(index: string): string;
  /** Whether these bytes tell of a change; the index to wait on from then, where one has to ask again. */
  heard(text: string): { readonly index?: string } | undefined;
  write(key: string, value: string): string;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");

function request(method: string, path: string, body: string): string {
  return `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

const dialects: Readonly<Record<WatchersSpec["dialect"], Dialect>> = {
  heddle: {
    watch: (index) => `GET /v1/kv/${key}?index=${index}&wait=5m HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
    heard: (text) => {
      const index = /X-Consul-Index: (\d+)/.exec(text)?.[1];
      return index === undefined ? undefined : { index };
    },
    write: (to, value) => request("PUT", `/v1/kv/${to}`, value),
  },
  etcd: {
    watch: () => request("POST", "/v3/watch", JSON.stringify({ create_request: { key: base64(key) } })),
    heard: (text) => (text.includes('"events"') ? {} : undefined),
    write: (to, value) =>
      request("POST", "/v3/kv/put", JSON.stringify({ key: base64(to), value: base64(value) })),
  },
};

async function measure(spec: WatchersSpec): Promise<WatchersResult> {
  const dialect = dialects[spec.dialect];
  const writer = await open(spec.port);
  const write = async (to: string, value: string) => {
    const answered = once(writer, "data");
    writer.write(dialect.write(to, value));
    const [answer] = (await answered) as [Buffer];
    if (!answer.toString("latin1").startsWith("HTTP/1.1 200")) throw new Error(`write: ${answer.toString()}`);
  };
  await write(key, "first");
  const heardMs: number[] = [];
  const sockets: Socket[] = [];
  const first = spec.dialect === "heddle" ? await indexNow(spec.port) : "";
  for (let i = 0; i < spec.watchers; i++) {
    const socket = await open(spec.port);
    sockets.push(socket);
    socket.on("data", (bytes) => {
      const heard = dialect.heard(bytes.toString("latin1"));
      if (!heard) return;
      heardMs.push(performance.now());
      if (heard.index !== undefined) socket.write(dialect.watch(heard.index));
    });
    socket.write(dialect.watch(first));
  }
  await sleep(settleMs);
  if (spec.idle) {
    process.stdout.write("idle");
    await once(writer, "close");
  }
  for (let i = 0; i < spec.unrelatedWrites; i++) await write(`bench/other-${i}`, `${i}`);
  await sleep(settleMs);
  const unrelatedWakes = heardMs.length;
  const tookMs: number[] = [];
  for (let round = 0; round < spec.rounds; round++) {
    heardMs.length = 0;
    const startMs = performance.now();
    await write(key, `round ${round}`);
    const endMs = startMs + patienceMs;
    while (heardMs.length < spec.watchers && performance.now() < endMs) await sleep(5);
    if (heardMs.length !== spec.watchers)
      throw new Error(`${heardMs.length} of ${spec.watchers} watchers heard of a write`);
    tookMs.push(...heardMs.map((atMs) => atMs - startMs));
    await sleep(settleMs);
  }
  for (const socket of [writer, ...sockets]) socket.destroy();
  const sorted = tookMs.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { p50Ms: at(0.5), p99Ms: at(0.99), unrelatedWakes };
}

async function open(port: number): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port, noDelay: true });
  await once(socket, "connect");
  return socket;
}

async function indexNow(port: number): Promise<string> {
  const { headers } = await fetch(`http://127.0.0.1:${port}/v1/kv/${key}`);
  return headers.get("x-consul-index") ?? "";
}

if (import.meta.main)
  process.stdout.write(JSON.stringify(await measure(JSON.parse(process.argv[2] ?? "") as WatchersSpec)));

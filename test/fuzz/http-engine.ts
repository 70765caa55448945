/**
 * Mutated bytes to the HTTP listener's connection and to node:http, in pieces of any size, without a network. What must
 * hold: each request that is handed on here is the one that node:http hands on in the same place, body and all: no
 * proxy of another mind can smuggle one past. Here may be refused what node:http takes, and nothing else: when it ends,
 * the connection ends.
 */
import { deepStrictEqual } from "node:assert";
import { createServer } from "node:http";
import type { ApiHandler, ApiRequest } from "../../api/index.ts";
import { connectionOn, MemoryWire, turn } from "../fixtures/memory-wire.ts";
import { type FuzzReport, type FuzzSubject, type FuzzTerms, fuzzCases } from "./cases.ts";
import { httpSeeds, httpWords } from "./http-corpus.ts";
import { mutate, type Random } from "./mutate.ts";

export interface SeenRequest {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

export interface SeenConnection {
  readonly requests: readonly SeenRequest[];
  readonly answers: string;
}

export function fuzzHttpEngine(terms: FuzzTerms): Promise<FuzzReport> {
  return fuzzCases(new EngineSubject(), terms);
}

class EngineSubject implements FuzzSubject {
  readonly #counts = { handedOn: 0, withBody: 0, refused: 0, stricter: 0 };

  counts() {
    return this.#counts;
  }

  async run(random: Random): Promise<void> {
    const seed = httpSeeds[random(httpSeeds.length)] ?? Buffer.alloc(0);
    const bytes = random(8) === 0 ? seed : mutate(seed, random, httpSeeds, httpWords);
    const pieces = cut(bytes, random);
    const ours = await throughEngine(pieces);
    const theirs = await throughNode(bytes);
    for (const [at, request] of ours.requests.entries()) deepStrictEqual(request, theirs.requests[at]);
    this.#counts.handedOn += ours.requests.length;
    this.#counts.withBody += ours.requests.filter(({ body }) => body !== "").length;
    if (/HTTP\/1\.1 [45]/.test(ours.answers)) this.#counts.refused++;
    if (ours.requests.length < theirs.requests.length) this.#counts.stricter++;
  }
}

function cut(bytes: Buffer, random: Random): readonly Buffer[] {
  const pieces: Buffer[] = [];
  const lengthMax = random(3) === 0 ? 4 : bytes.length + 1;
  for (let at = 0; at < bytes.length; ) {
    const length = 1 + random(lengthMax);
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  return pieces;
}

/** What came whole is handed on and answered within so many turns; then the client ends its side. */
const settleTurns = 5;

/** Each piece in a turn of the event loop of its own, as from a network; resolves when both sides have ended. */
async function send(wire: MemoryWire, pieces: readonly Buffer[]): Promise<void> {
  const gone = new Promise<void>((resolve) => wire.once("close", resolve));
  for (const piece of pieces) {
    if (wire.destroyed) return;
    wire.push(Buffer.from(piece));
    await turn();
  }
  for (let left = settleTurns; left > 0; left--) await turn();
  if (!wire.destroyed) wire.push(null);
  if (!wire.destroyed) await gone;
}

export async function throughEngine(pieces: readonly Buffer[]): Promise<SeenConnection> {
  const requests: SeenRequest[] = [];
  const wire = new MemoryWire();
  const handle: ApiHandler = async ({ method, target, headers, body, upload }) => {
    const parts = [body];
    try {
      for await (const part of upload ?? []) parts.push(part);
      requests.push(seen(method, target, headers, parts));
      return { status: 200, headers: {}, body: "" };
    } catch {
      return { status: 400, headers: {}, body: "" };
    }
  };
  connectionOn(wire, handle);
  await send(wire, pieces);
  return { requests, answers: wire.text };
}

/** Byte by byte: what is wrong behind a request would take the request with it, before it is handed on. */
export async function throughNode(bytes: Buffer): Promise<SeenConnection> {
  const requests: SeenRequest[] = [];
  const wire = new MemoryWire();
  const server = createServer((message, response) => {
    const parts: Buffer[] = [];
    message.on("data", (part: Buffer) => parts.push(part));
    message.on("end", () => {
      requests.push(seen(message.method, message.url, message.headers, parts));
      response.end();
    });
  });
  server.emit("connection", wire);
  await send(
    wire,
    Array.from(bytes, (_, at) => bytes.subarray(at, at + 1)),
  );
  return { requests, answers: wire.text };
}

function seen(
  method = "",
  target = "",
  headers: ApiRequest["headers"],
  parts: readonly Uint8Array[],
): SeenRequest {
  return { method, target, headers: { ...headers }, body: Buffer.concat(parts).toString("latin1") };
}

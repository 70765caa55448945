/**
 * Writes an answer to the socket of a connection. What is small goes in one write; a long or streamed one in parts,
 * the next of which is made only when the client took the one before. A client that takes nothing for `stallMs`
 * is cut; so is the connection when the maker of a stream fails, as the client could not tell the end from a whole
 * answer otherwise.
 *
 * Source: RFC 9112 sections 4, 6 and 7.1.
 */
import type { Duplex } from "node:stream";
import { FabricError } from "../../errors/index.ts";
import { type ApiResponse, type ByteStream, isByteStream } from "../request.ts";
import { reasons } from "./reasons.ts";

export interface AnswerTerms {
  /** The body is left out. */
  readonly isHead: boolean;
  readonly isHttp10: boolean;
  /** The connection goes on behind the answer. */
  readonly staysOpen: boolean;
  readonly keepAliveMs: number;
  readonly stallMs: number;
}

const partBytes = 64 * 1024;

/** Whether all of it was handed over; else the connection is cut. @throws API_RESPONSE */
export function writeAnswer(
  socket: Duplex,
  answer: ApiResponse,
  terms: AnswerTerms,
): boolean | Promise<boolean> {
  const { body } = answer;
  if (isByteStream(body)) return writeStream(socket, answer, body, terms);
  const bytes = typeof body === "string" ? Buffer.byteLength(body) : body.length;
  const hasBody = answer.status !== 204 && answer.status !== 304;
  const head = headOf(answer, hasBody ? `Content-Length: ${bytes}\r\n` : "", terms);
  if (terms.isHead || !hasBody || bytes === 0) return taken(socket, socket.write(head, "latin1"), terms);
  if (bytes > partBytes)
    return writeParts(socket, head, typeof body === "string" ? Buffer.from(body) : body, terms);
  if (typeof body === "string") return taken(socket, socket.write(head + body), terms);
  socket.cork();
  socket.write(head, "latin1");
  const isTaken = socket.write(body);
  socket.uncork();
  return taken(socket, isTaken, terms);
}

async function writeParts(
  socket: Duplex,
  head: string,
  body: Uint8Array,
  { stallMs }: AnswerTerms,
): Promise<boolean> {
  socket.write(head, "latin1");
  for (let at = 0; at < body.length; at += partBytes)
    if (!socket.write(body.subarray(at, at + partBytes)) && !(await drained(socket, stallMs))) return false;
  return true;
}

async function writeStream(
  socket: Duplex,
  answer: ApiResponse,
  body: ByteStream,
  terms: AnswerTerms,
): Promise<boolean> {
  const isChunked = !terms.isHttp10;
  socket.write(headOf(answer, isChunked ? "Transfer-Encoding: chunked\r\n" : "", terms), "latin1");
  if (terms.isHead) {
    abandon(body);
    return true;
  }
  try {
    for await (const part of body) {
      if (socket.destroyed) return false;
      // A chunk of no bytes would be the end.
      if (part.length === 0) continue;
      const isTaken = isChunked ? writeChunk(socket, part) : socket.write(part);
      if (!isTaken && !(await drained(socket, terms.stallMs))) return false;
    }
    if (isChunked) socket.write("0\r\n\r\n");
    return !socket.destroyed;
  } catch {
    socket.destroy();
    return false;
  }
}

/** Ends the maker of a stream that nobody reads. It has to begin, to clean up behind itself. */
export function abandon(body: ApiResponse["body"]): void {
  if (!isByteStream(body)) return;
  const parts = body[Symbol.asyncIterator]();
  const end = () => parts.return?.();
  parts
    .next()
    .then(end, end)
    .catch(() => undefined);
}

function writeChunk(socket: Duplex, part: Uint8Array): boolean {
  socket.cork();
  socket.write(`${part.length.toString(16)}\r\n`, "latin1");
  socket.write(part);
  const isTaken = socket.write("\r\n", "latin1");
  socket.uncork();
  return isTaken;
}

function taken(socket: Duplex, isTaken: boolean, { stallMs }: AnswerTerms): boolean | Promise<boolean> {
  return isTaken || drained(socket, stallMs);
}

/** False when the client took nothing for too long, or is gone; then the connection is cut. */
function drained(socket: Duplex, stallMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const settle = (isDrained: boolean) => {
      clearTimeout(timer);
      socket.off("drain", onDrain).off("close", onClose);
      if (!isDrained) socket.destroy();
      resolve(isDrained);
    };
    const onDrain = () => settle(true);
    const onClose = () => settle(false);
    const timer = setTimeout(onClose, stallMs);
    socket.once("drain", onDrain).once("close", onClose);
    if (socket.destroyed) onClose();
    else if (!socket.writableNeedDrain) onDrain();
  });
}

/** What could end the line early, and let an answer say what its maker did not. */
const unfit = /[^\t\x20-\x7e\x80-\xff]/;

function headOf({ status, headers }: ApiResponse, framing: string, terms: AnswerTerms): string {
  let text = `HTTP/1.1 ${status} ${reasons[status] ?? ""}\r\n`;
  for (const [name, value] of Object.entries(headers)) {
    if (unfit.test(value)) {
      throw new FabricError(
        "API_RESPONSE",
        `answer with the header ${name}: its value has characters that none may have`,
      );
    }
    text += `${name}: ${value}\r\n`;
  }
  const rest = terms.staysOpen
    ? `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(terms.keepAliveMs / 1000)}\r\n`
    : "Connection: close\r\n";
  return `${text}Date: ${dateNow()}\r\n${rest}${framing}\r\n`;
}

let date = { second: 0, text: "" };

/** As RFC 9110 section 5.6.7 has it; made once a second. */
function dateNow(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== date.second) date = { second, text: new Date(second * 1000).toUTCString() };
  return date.text;
}

/**
 * One query to one name server. A reply is believed only if it comes from the asked address and port (the
 * socket is connected), has our id, and repeats our question letter by letter; anything else is ignored until
 * the time is over. Each UDP query has a socket, and so a source port, of its own (RFC 5452).
 */
import { createSocket } from "node:dgram";
import { connect } from "node:net";
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { FrameReader, frame } from "../listen/index.ts";
import { decodeMessage, encodeMessage, type Message, messageBytesMax, typeName } from "../wire/index.ts";

export interface NameServer {
  /** Numeric; a link-local IPv6 address may carry a zone. */
  readonly address: string;
  readonly port: number;
  /** Asked over TLS (RFC 7858): the name that its certificate must have. */
  readonly tlsName?: string;
}

export interface ExchangeTerms {
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** A reply that it does not accept is ignored. */
  readonly accept?: (reply: Message) => boolean;
}

/** @throws DNS_QUERY_FAILED */
export function exchangeUdp(server: NameServer, query: Message, terms: ExchangeTerms): Promise<Message> {
  const bytes = encodeMessage(query);
  return new Promise((resolve, reject) => {
    const socket = createSocket(server.address.includes(":") ? "udp6" : "udp4");
    const settle = (finish: () => void) => {
      timer.cancel();
      socket.removeAllListeners();
      socket.on("error", () => {});
      socket.close();
      finish();
    };
    const fail = (why: string, cause?: unknown) =>
      settle(() => reject(queryFailed(server, query, why, cause)));
    const timer = terms.clock.setTimer(terms.timeoutMs, () => fail(`no answer in ${terms.timeoutMs} ms`));
    socket.on("error", (error) => fail(error.message, error));
    socket.on("message", (data) => {
      const reply = readReply(data, query);
      if (reply && terms.accept?.(reply) !== false) settle(() => resolve(reply));
    });
    socket.on("connect", () => socket.send(bytes));
    socket.connect(server.port, server.address);
  });
}

/** @throws DNS_QUERY_FAILED */
export function exchangeTcp(server: NameServer, query: Message, terms: ExchangeTerms): Promise<Message> {
  return new Promise((resolve, reject) => {
    const frames = new FrameReader(messageBytesMax);
    const socket = connect({ host: server.address, port: server.port });
    const settle = (finish: () => void) => {
      timer.cancel();
      socket.destroy();
      finish();
    };
    const fail = (why: string, cause?: unknown) =>
      settle(() => reject(queryFailed(server, query, why, cause)));
    const timer = terms.clock.setTimer(terms.timeoutMs, () => fail(`no answer in ${terms.timeoutMs} ms`));
    socket.on("error", (error) => fail(error.message, error));
    socket.on("close", () => fail("the server closed the connection"));
    socket.on("connect", () => socket.write(frame(encodeMessage(query))));
    socket.on("data", (chunk: Buffer) => {
      const messages = frames.push(chunk);
      if (!messages) fail("it sent an empty message");
      const reply = messages
        ?.map((message) => readReply(message, query))
        .find((message) => message !== undefined);
      if (reply) settle(() => resolve(reply));
    });
  });
}

export function readReply(bytes: Uint8Array, query: Message): Message | undefined {
  let reply: Message;
  try {
    reply = decodeMessage(bytes);
  } catch {
    return undefined;
  }
  const [asked] = query.questions;
  const [repeated] = reply.questions;
  const same =
    asked?.name === repeated?.name && asked?.type === repeated?.type && asked?.class === repeated?.class;
  /** A server that could not read our query may leave the question out. */
  const unread = reply.questions.length === 0 && reply.rcode !== 0;
  return reply.response && reply.id === query.id && (same || unread) ? reply : undefined;
}

export function queryFailed(server: NameServer, query: Message, why: string, cause?: unknown): FabricError {
  const [question] = query.questions;
  const what = question ? `${question.name || "."} ${typeName(question.type)}` : "a question";
  return new FabricError(
    "DNS_QUERY_FAILED",
    `ask ${server.address} port ${server.port} for ${what}: ${why}; see that a DNS server listens there`,
    { cause, details: { server: server.address, port: server.port } },
  );
}

/**
 * gRPC's health protocol (grpc.health.v1.Health/Check): one unary call on a connection of its own. The messages have
 * one field each, so they are written and read here instead of by a client library, whose channels are made to
 * stay, to reconnect and to balance.
 *
 * Wire: a message is a byte 0 (not compressed), its length in four bytes, and the protobuf; the request is
 * `string service = 1`, the answer `ServingStatus status = 1`. The call's own status comes in `grpc-status`.
 */
import type { ClientHttp2Session, IncomingHttpHeaders } from "node:http2";
import type { GrpcCheck } from "../check.ts";
import { probeFailed, withSession } from "./http2-session.ts";
import type { ProbeContext, ProbeResult } from "./probe.ts";

const prefixBytes = 5;
/** An answer has two bytes. */
const answerBytesMax = 1024;
const servingStatuses = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

export function probeGrpc(check: GrpcCheck, context: ProbeContext): Promise<ProbeResult> {
  const name = `gRPC check ${check.host}:${check.port}${check.service && `/${check.service}`}`;
  return withSession(check, name, context, async (session) => {
    const status = await callHealth(session, check.service, context.timeoutMs);
    return status === "SERVING"
      ? { status: "passing", output: `${name}: success` }
      : { status: "critical", output: `${name}: ${status}` };
  });
}

/** The status by its name. Rejects when the call fails. */
function callHealth(session: ClientHttp2Session, service: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Check",
      "content-type": "application/grpc",
      te: "trailers",
      "grpc-timeout": `${Math.ceil(timeoutMs)}m`,
    });
    let answer = Buffer.alloc(0);
    let status: IncomingHttpHeaders = {};
    stream.on("response", (headers) => {
      status = headers;
      if (headers[":status"] !== 200) reject(probeFailed(`HTTP status ${headers[":status"]}`));
    });
    stream.on("trailers", (trailers) => {
      status = trailers;
    });
    stream.on("data", (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length > answerBytesMax) reject(probeFailed("the answer is no health status: too long"));
    });
    stream.on("error", reject);
    stream.on("close", () => {
      const code = status["grpc-status"];
      if (code !== "0") reject(probeFailed(`status ${code ?? "missing"} ${messageOf(status)}`.trim()));
      const serving = statusOf(answer);
      if (serving === undefined) reject(probeFailed("the answer is no health status"));
      else resolve(serving);
    });
    stream.end(encodeRequest(service));
  });
}

export function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service);
  const field = name.length === 0 ? [] : [Buffer.from([0x0a, ...varint(name.length)]), name];
  const message = Buffer.concat(field);
  const prefix = Buffer.alloc(prefixBytes);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}

/** Undefined when it is no message of the health protocol. The default, 0, is not written. */
function statusOf(answer: Buffer): string | undefined {
  if (answer.length < prefixBytes || answer[0] !== 0) return undefined;
  const length = answer.readUInt32BE(1);
  if (answer.length !== prefixBytes + length) return undefined;
  if (length === 0) return servingStatuses[0];
  return length === 2 && answer[prefixBytes] === 0x08
    ? servingStatuses[answer[prefixBytes + 1] ?? 0]
    : undefined;
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** Percent-encoded; may be damaged. */
function messageOf(headers: IncomingHttpHeaders): string {
  const text = String(headers["grpc-message"] ?? "").slice(0, 256);
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

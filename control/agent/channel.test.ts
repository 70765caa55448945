import { once } from "node:events";
import { createServer as createHttp2Server, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { create } from "@bufbuild/protobuf";
import { credentials } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import { ClaimBlockRequestSchema } from "../proto/gen/fabric_pb.ts";
import { type Channel, grpcChannels } from "./channel.ts";

const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanup.splice(0)) undo();
});

async function listening(server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await once(server.listen(0, "127.0.0.1"), "listening");
  cleanup.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function channelTo(address: string, limits: { readonly connectTimeoutMs?: number } = {}): Channel {
  const open = grpcChannels({ messageMaxBytes: 1024, connectTimeoutMs: 1000, ...limits });
  const channel = open(address, credentials.createInsecure());
  cleanup.push(() => channel.close());
  return channel;
}

/** A server that answers each call as the test says. */
async function answering(answer: (stream: ServerHttp2Stream) => void): Promise<Channel> {
  const server = createHttp2Server();
  server.on("stream", answer);
  const channel = channelTo(await listening(server));
  await channel.reached(5000);
  return channel;
}

const claim = (
  channel: Channel,
  options: { readonly timeoutMs?: number; readonly signal?: AbortSignal } = {},
) =>
  channel.call("claimBlock", create(ClaimBlockRequestSchema, { node: "n" }), {
    action: "claim block",
    timeoutMs: 5000,
    ...options,
  });
const code = (expected: string) => expect.objectContaining({ code: expected });

test("a refused connection is known at once", async () => {
  const server = createServer();
  const address = await listening(server);
  await new Promise((resolve) => server.close(resolve));
  // It would be this long if it was waited out.
  await expect(channelTo(address, { connectTimeoutMs: 3_600_000 }).reached(3_600_000)).rejects.toThrow();
});

test("a machine that answers is waited for longer than one that does not: its server may have many to let in", async () => {
  const sockets: Socket[] = [];
  const http2 = createHttp2Server();
  const address = await listening(createServer((socket) => sockets.push(socket)));
  const channel = channelTo(address, { connectTimeoutMs: 50 });
  const reached = channel.reached(5000);
  setTimeout(() => http2.emit("connection", sockets[0]), 200);
  await reached;
  await expect(channelTo(address).reached(100)).rejects.toThrow(code("CONTROL_UNAVAILABLE"));
});

test.each([
  ["a status without a message", { "grpc-status": "13" }, "CONTROL_UNAVAILABLE"],
  ["a message that is quoted", { "grpc-status": "8", "grpc-message": "too%20much" }, "CONTROL_LIMIT"],
  ["a message that is quoted badly", { "grpc-status": "8", "grpc-message": "%E0%A4%A" }, "CONTROL_LIMIT"],
  ["a deadline", { "grpc-status": "4" }, "CONTROL_TIMEOUT"],
  ["no status", {}, "CONTROL_UNAVAILABLE"],
])("a call that ends with %s rejects", async (_, headers, expected) => {
  const channel = await answering((stream) =>
    stream.respond({ ":status": 200, ...headers }, { endStream: true }),
  );
  await expect(claim(channel)).rejects.toThrow(code(expected));
});

test("a call ends when its time is over, when its caller leaves and when the server cuts it", async () => {
  const cut: number[] = [];
  const channel = await answering((stream) => {
    stream.on("close", () => cut.push(stream.rstCode));
    stream.on("error", () => undefined);
  });
  await expect(claim(channel, { timeoutMs: 20 })).rejects.toThrow(code("CONTROL_TIMEOUT"));
  const leaving = new AbortController();
  const left = claim(channel, { signal: leaving.signal });
  leaving.abort(new Error("left"));
  await expect(left).rejects.toThrow("left");
  const cutting = await answering((stream) => stream.on("error", () => undefined).close(2));
  await expect(claim(cutting)).rejects.toThrow(code("CONTROL_UNAVAILABLE"));
});

test("a stream ends with its session", async () => {
  const channel = await answering((stream) => stream.session?.destroy());
  const stream = channel.session();
  const [error] = (await once(stream, "error")) as [unknown];
  expect(error).toEqual(code("CONTROL_UNAVAILABLE"));
  expect(() => channel.session()).toThrow(code("CONTROL_UNAVAILABLE"));
});

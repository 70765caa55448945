/** What gRPC's own client, and clients of no protocol at all, get of the server. */
import { connect as connectHttp2 } from "node:http2";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { Client, type ClientDuplexStream, credentials, type ServiceError, status } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Deadlines, systemClock } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import { encodeFrame } from "../../grpc-frames.ts";
import { fromServiceError } from "../../wire-error.ts";
import { unary } from "../calls/unary.ts";
import type { Certified } from "./caller.ts";
import { GrpcServer } from "./grpc-server.ts";
import type { ServerStream } from "./server-stream.ts";

interface Text {
  readonly node?: string;
  readonly text: string;
}

const toJson = (value: Text) => Buffer.from(JSON.stringify(value));
const fromJson = (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()) as Text;
const method = (name: string) => ({
  path: `/test.Texts/${name}`,
  requestDeserialize: fromJson,
  responseSerialize: toJson,
});
type TextStream = ServerStream<Text, Text>;

async function setup({ idleMs = 60_000, certified }: { idleMs?: number; certified?: Certified } = {}) {
  const sockets = new Set<Socket>();
  const grpc = new GrpcServer({
    clock: systemClock,
    deadlines: new Deadlines(systemClock),
    messageMaxBytes: 1000,
    callsPerConnectionMax: 8,
    idleMs,
  });
  const tcp = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    grpc.connect(socket, certified);
  });
  await new Promise<void>((resolve) => tcp.listen(0, "127.0.0.1", resolve));
  const { port } = tcp.address() as AddressInfo;
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  onTestFinished(async () => {
    client.close();
    tcp.close();
    await grpc.close(0);
  });
  const ask = (name: string, message: Buffer | Text) =>
    new Promise<Text>((resolve, reject) => {
      const write = (value: Buffer | Text) => (Buffer.isBuffer(value) ? value : toJson(value));
      client.makeUnaryRequest(`/test.Texts/${name}`, write, fromJson, message, (error, reply) =>
        reply ? resolve(reply) : reject(error),
      );
    });
  const open = (name: string): ClientDuplexStream<Text, Text> =>
    client.makeBidiStreamRequest(`/test.Texts/${name}`, toJson, fromJson);
  return { grpc, tcp, port, sockets, ask, open };
}

const shout = unary<Text, Text>(
  async ({ text }) => ({ text: text.toUpperCase() }),
  () => undefined,
);

/** Of a call that fails. */
async function errorOf(call: Promise<unknown>): Promise<ServiceError> {
  return call.then(
    () => expect.unreachable("it was answered"),
    (error: ServiceError) => error,
  );
}

describe("calls", () => {
  test("are answered, and their errors travel whole", async () => {
    const { grpc, ask } = await setup();
    const failed = vi.fn();
    const refuse = unary<Text, Text>(async ({ text }, { caller }) => {
      expect(caller.address).toMatch(/^127\.0\.0\.1:\d+$/);
      throw new FabricError("CONTROL_LIMIT", `take ${text}: enough`, { details: { max: 7 } });
    }, failed);
    grpc.serve(method("Shout"), shout).serve(method("Refuse"), refuse);
    expect(await ask("Shout", { text: "a" })).toEqual({ text: "A" });
    const error = await errorOf(ask("Refuse", { text: "texts" }));
    expect(error).toMatchObject({ code: status.FAILED_PRECONDITION, details: "CONTROL_LIMIT" });
    const carried = { code: "CONTROL_LIMIT", message: "take texts: enough", details: { max: 7 } };
    expect(fromServiceError(error, "ask", "s")).toMatchObject(carried);
    expect(failed).toHaveBeenCalledOnce();
  });

  test("of nobody's, too long, unreadable or without a request are refused, and the next is served", async () => {
    const { grpc, ask, open } = await setup();
    grpc.serve(method("Shout"), shout);
    expect(await errorOf(ask("Whisper", { text: "a" }))).toMatchObject({ code: status.UNIMPLEMENTED });
    expect(await errorOf(ask("Shout", { text: "x".repeat(1000) }))).toMatchObject({
      details: "CONTROL_LIMIT",
    });
    expect(await errorOf(ask("Shout", Buffer.from("{")))).toMatchObject({ details: "CONTROL_PROTOCOL" });
    const empty = open("Shout");
    const failed = new Promise((resolve) => empty.on("error", resolve));
    empty.resume().end();
    expect(await failed).toMatchObject({ details: "CONTROL_PROTOCOL" });
    expect(await ask("Shout", { text: "a" })).toEqual({ text: "A" });
  });

  test("of a caller with a certificate name it and nobody else", async () => {
    const identity = { kind: "node", fabric: "f", name: "n1", generation: 0 } as const;
    const { grpc, ask } = await setup({ certified: { identity, fingerprint: () => "" } });
    grpc.serve(method("Shout"), shout);
    expect(await ask("Shout", { node: "n1", text: "a" })).toEqual({ text: "A" });
    expect(await ask("Shout", { text: "a" })).toEqual({ text: "A" });
    const error = await errorOf(ask("Shout", { node: "n2", text: "a" }));
    expect(error).toMatchObject({ details: "CONTROL_IDENTITY_REFUSED" });
  });

  test("that their caller gave up are told so", async () => {
    const { grpc, open } = await setup();
    const started = Promise.withResolvers<AbortSignal>();
    const hang = unary<Text, Text>(
      (_, { signal }) => {
        started.resolve(signal);
        return new Promise(() => undefined);
      },
      () => undefined,
    );
    grpc.serve(method("Hang"), hang);
    const call = open("Hang");
    call.on("error", () => undefined);
    call.end({ text: "a" });
    const signal = await started.promise;
    expect(signal.aborted).toBe(false);
    call.cancel();
    await vi.waitFor(() => expect(signal.aborted).toBe(true));
  });
});

describe("streams", () => {
  test("carry messages both ways in order, frames that others share among them, until either side ends", async () => {
    const { grpc, open } = await setup();
    const streams: TextStream[] = [];
    const events: string[] = [];
    const frame = encodeFrame(toJson({ text: "shared" }));
    grpc.serve(method("Talk"), (stream: TextStream) => {
      streams.push(stream);
      stream.read({
        message: ({ text }) => {
          events.push(text);
          stream.write({ text: `${text}!` });
          stream.writeFrame(frame);
        },
        ended: () => {
          events.push("ended");
          stream.end();
        },
        gone: () => events.push("gone"),
      });
    });
    const talk = open("Talk");
    const heard: string[] = [];
    talk.on("data", ({ text }: Text) => heard.push(text));
    const ended = new Promise((resolve) => talk.on("end", resolve));
    for (const text of ["a", "b", "c"]) talk.write({ text });
    talk.end();
    await ended;
    expect(heard).toEqual(["a!", "shared", "b!", "shared", "c!", "shared"]);
    await vi.waitFor(() => expect(events).toEqual(["a", "b", "c", "ended", "gone"]));
    streams[0]?.write({ text: "after its end" });
    streams[0]?.fail(new Error("after its end"));
  });

  test("end with the server's word also before anything was said, and once", async () => {
    const { grpc, open } = await setup();
    grpc.serve(method("Talk"), (stream: TextStream) => {
      stream.fail(new FabricError("CONTROL_CLOSED", "talk: no; go away"));
      stream.end();
    });
    const talk = open("Talk");
    const error = new Promise<ServiceError>((resolve) => talk.on("error", resolve));
    talk.resume();
    expect(await error).toMatchObject({ details: "CONTROL_CLOSED" });
  });

  test("are over when their connection is, once", async () => {
    const { grpc, open, sockets } = await setup();
    const [gone, ended] = [vi.fn(), vi.fn()];
    const begun = Promise.withResolvers<void>();
    grpc.serve(method("Talk"), (stream: TextStream) => {
      stream.read({ message: () => begun.resolve(), ended, gone });
    });
    const talk = open("Talk");
    talk.on("error", () => undefined).resume();
    talk.write({ text: "a" });
    await begun.promise;
    for (const socket of sockets) socket.destroy();
    await vi.waitFor(() => expect(gone).toHaveBeenCalledOnce());
    expect(ended).not.toHaveBeenCalled();
  });

  test("slow a caller down to what is asked of them", async () => {
    const { grpc, open } = await setup();
    const streams = Promise.withResolvers<TextStream>();
    grpc.serve(method("Pour"), (stream: TextStream) => streams.resolve(stream));
    const pour = open("Pour");
    pour.on("error", () => undefined);
    const text = "x".repeat(900);
    let poured = 0;
    const fill = () => {
      for (; poured < 10_000; poured++) if (!pour.write({ text })) break;
    };
    pour.on("drain", fill);
    fill();
    const messages = (await streams.promise).messages();
    for (let i = 0; i < 10; i++) expect((await messages.next()).value).toEqual({ text });
    // Its window of HTTP/2 and the buffers of both ends: far less than what it has to say.
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(poured).toBeLessThan(2000);
    pour.cancel();
    await expect(
      (async () => {
        for await (const _ of messages);
      })(),
    ).rejects.toThrow();
  });
});

describe("connections", () => {
  test("without a call are closed after a while, and not with one", async () => {
    const { grpc, port, sockets, ask, open } = await setup({ idleMs: 100 });
    grpc.serve(method("Shout"), shout);
    grpc.serve(method("Talk"), (stream: TextStream) => {
      stream.read({ message: () => undefined, ended: () => undefined, gone: () => undefined });
      stream.write({ text: "hello" });
    });
    const talk = open("Talk");
    await new Promise((resolve) => talk.once("data", resolve));
    const idle = connectHttp2(`http://127.0.0.1:${port}`);
    await new Promise((resolve) => idle.once("close", resolve));
    const [busy] = sockets;
    expect(busy?.destroyed).toBe(false);
    await ask("Shout", { text: "a" });
    expect(sockets.size).toBe(2);
    talk.on("error", () => undefined);
    talk.cancel();
    await vi.waitFor(() => expect(busy?.destroyed).toBe(true));
  });

  test("that speak another protocol, or no gRPC, do no harm", async () => {
    const { grpc, port, ask } = await setup();
    grpc.serve(method("Shout"), shout);
    for (const bytes of [
      "GET / HTTP/1.1\r\n\r\n",
      "\0".repeat(5000),
      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nxxxxxxxxx",
    ]) {
      const socket = connect(port, "127.0.0.1");
      const closed = new Promise((resolve) => socket.on("error", () => undefined).on("close", resolve));
      socket.resume().write(bytes);
      await closed;
    }
    const web = connectHttp2(`http://127.0.0.1:${port}`);
    const page = web.request({ ":path": "/test.Texts/Shout" });
    const answered = new Promise<{ ":status"?: number }>((resolve) => page.once("response", resolve));
    expect((await answered)[":status"]).toBe(415);
    web.destroy();
    expect(await ask("Shout", { text: "a" })).toEqual({ text: "A" });
  });

  test("have a grace when the server closes; none is taken afterwards", async () => {
    const { grpc, open, sockets, ask } = await setup();
    grpc.serve(method("Talk"), (stream: TextStream) => {
      stream.read({ message: () => undefined, ended: () => undefined, gone: () => undefined });
      stream.write({ text: "hello" });
    });
    const talk = open("Talk");
    const lost = new Promise((resolve) => talk.on("error", resolve));
    await new Promise((resolve) => talk.once("data", resolve));
    const closed = grpc.close(50);
    expect([...sockets].every(({ destroyed }) => !destroyed)).toBe(true);
    await closed;
    await lost;
    expect(await errorOf(ask("Talk", { text: "a" }))).toMatchObject({ code: status.UNAVAILABLE });
  });
});

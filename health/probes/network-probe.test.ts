/** Probes over TLS, UDP, HTTP/2 and gRPC, against servers of other makers where there are any. */
import { execFileSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createSecureServer, createServer } from "node:http2";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { Server as GrpcServer, type handleUnaryCall, ServerCredentials, status } from "@grpc/grpc-js";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { systemClock } from "../../clock/index.ts";
import type { ContainerExec, ProbeDefinition } from "../check.ts";
import { healthLimits } from "../limits.ts";
import { encodeRequest } from "./grpc-probe.ts";
import { type ProbeResult, runProbe } from "./probe.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

let directory: string;
let tls: { readonly key: Buffer; readonly cert: Buffer };
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "heddle-"));
  const [key, cert] = [join(directory, "key"), join(directory, "cert")];
  const names = ["-subj", "/CN=web.test", "-addext", "subjectAltName=DNS:web.test"];
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const args = ["req", "-x509", "-nodes", ...curve, "-keyout", key, "-out", cert, ...names];
  execFileSync("openssl", args, { stdio: "ignore" });
  tls = { key: readFileSync(key), cert: readFileSync(cert) };
});
afterAll(() => rmSync(directory, { recursive: true }));

async function listen(server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  closers.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

function run(check: object, { timeoutMs = 10_000, exec = undefined as ContainerExec | undefined } = {}) {
  const signal = AbortSignal.timeout(timeoutMs);
  const limits = { ...healthLimits, udpQuietMs: 50 };
  const definition = { id: "c", host: "127.0.0.1", intervalMs: 1000, ...check } as ProbeDefinition;
  return runProbe(definition, { clock: systemClock, limits, signal, timeoutMs }, exec);
}

const silent = () => listen(createTcpServer(() => undefined));

describe("TCP with TLS", () => {
  it("passes when the handshake does, and verifies unless told not to", async () => {
    const port = await listen(createTlsServer(tls));
    const check = { kind: "tcp", port, tls: true };
    expect(await run(check)).toMatchObject({
      status: "critical",
      output: expect.stringContaining("self-signed"),
    });
    expect((await run({ ...check, tlsSkipVerify: true })).status).toBe("passing");
    const plain = await listen(createTcpServer((socket) => socket.end("hello")));
    expect((await run({ ...check, port: plain, tlsSkipVerify: true })).status).toBe("critical");
    const waiting = { ...check, port: await silent() };
    expect((await run(waiting, { timeoutMs: 50 })).output).toContain("no answer within 50 ms");
  });
});

describe("UDP", () => {
  it("passes with an answer and with silence, and is critical on refusal", async () => {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    await once(socket, "listening");
    const { port } = socket.address();
    const received = once(socket, "message");
    expect(await run({ kind: "udp", port })).toEqual({
      status: "passing",
      output: `UDP connect 127.0.0.1:${port}: Success`,
    });
    await received;
    socket.on("message", (_, from) => socket.send("yes", from.port, from.address));
    expect((await run({ kind: "udp", port })).status).toBe("passing");
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    expect(await run({ kind: "udp", port })).toMatchObject({
      status: "critical",
      output: expect.stringContaining("ECONNREFUSED"),
    });
    expect((await run({ kind: "udp", port: 53, host: "no.such.host.invalid" })).status).toBe("critical");
    const six = createSocket("udp6").bind(0, "::1");
    await once(six, "listening");
    expect((await run({ kind: "udp", port: six.address().port, host: "::1" })).status).toBe("passing");
    await new Promise<void>((resolve) => six.close(() => resolve()));
  });
});

describe("H2PING", () => {
  it("passes when the server answers, in plain text and with TLS", async () => {
    const plain = { kind: "h2ping", port: await listen(createServer() as unknown as Server) };
    expect(await run(plain)).toMatchObject({ status: "passing" });
    const secure = await listen(createSecureServer(tls) as unknown as Server);
    const check = { kind: "h2ping", port: secure, tls: true };
    expect((await run(check)).status).toBe("critical");
    expect((await run({ ...check, tlsSkipVerify: true })).status).toBe("passing");
  });

  it("is critical when the other side speaks something else, is silent or is not there", async () => {
    const other = await listen(createTcpServer((socket) => socket.end("SSH-2.0\r\n")));
    expect((await run({ kind: "h2ping", port: other })).status).toBe("critical");
    expect((await run({ kind: "h2ping", port: await silent() }, { timeoutMs: 50 })).output).toContain(
      "50 ms",
    );
    expect((await run({ kind: "h2ping", port: 1 })).output).toContain("ECONNREFUSED");
  });
});

describe("gRPC", () => {
  /** A server of grpc-js whose health service answers by the name that it is asked for. */
  async function health(credentials = ServerCredentials.createInsecure()): Promise<number> {
    const server = new GrpcServer();
    const check: handleUnaryCall<{ readonly name: string }, number> = (call, answer) => {
      const known: Readonly<Record<string, number>> = { "": 1, up: 1, down: 2, odd: 0 };
      const found = known[call.request.name];
      if (found === undefined) answer({ code: status.NOT_FOUND, details: "no such service ☃" });
      else answer(null, found);
    };
    const definition = {
      check: {
        path: "/grpc.health.v1.Health/Check",
        requestStream: false,
        responseStream: false,
        requestSerialize: ({ name }: { readonly name: string }) => encodeRequest(name).subarray(5),
        requestDeserialize: (bytes: Buffer) => ({ name: bytes.subarray(2).toString() }),
        responseSerialize: (value: number) => Buffer.from(value === 0 ? [] : [8, value]),
        responseDeserialize: (bytes: Buffer) => bytes[1] ?? 0,
      },
    } as const;
    server.addService(definition, { check });
    closers.push(() => server.forceShutdown());
    return new Promise((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", credentials, (error, port) => (error ? reject(error) : resolve(port))),
    );
  }

  it.each([
    ["", "passing", ": success"],
    ["up", "passing", "/up: success"],
    ["down", "critical", "/down: NOT_SERVING"],
    ["odd", "critical", "/odd: UNKNOWN"],
    ["none", "critical", "status 5 no such service ☃"],
  ])("service %j is %s", async (service, expected, output) => {
    const result = await run({ kind: "grpc", port: await health(), service });
    expect(result).toMatchObject({ status: expected, output: expect.stringContaining(output) });
  });

  it("goes over TLS", async () => {
    const credentials = ServerCredentials.createSsl(null, [{ private_key: tls.key, cert_chain: tls.cert }]);
    const check = { kind: "grpc", port: await health(credentials), service: "", tls: true };
    expect((await run(check)).status).toBe("critical");
    expect((await run({ ...check, tlsSkipVerify: true })).status).toBe("passing");
  });

  it("is critical when the server has no health service, answers too much or never", async () => {
    const empty = new GrpcServer();
    closers.push(() => empty.forceShutdown());
    const port = await new Promise<number>((resolve) =>
      empty.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (_, bound) => resolve(bound)),
    );
    expect((await run({ kind: "grpc", port, service: "" })).output).toContain("status 12");
    const chatty = createServer();
    chatty.on("stream", (stream) => {
      stream.on("error", () => undefined);
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.end(Buffer.alloc(100_000));
    });
    const chattyPort = await listen(chatty as unknown as Server);
    expect((await run({ kind: "grpc", port: chattyPort, service: "" })).output).toContain("too long");
    const web = createServer((_, response) => response.writeHead(404).end());
    const webPort = await listen(web as unknown as Server);
    expect((await run({ kind: "grpc", port: webPort, service: "" })).output).toContain("HTTP status 404");
    const check = { kind: "grpc", port: await silent(), service: "" };
    expect((await run(check, { timeoutMs: 50 })).output).toContain("50 ms");
  });
});

describe("in a container", () => {
  const exits =
    (exitCode: number, output = ""): ContainerExec =>
    async (_container, _args, { onOutput }) => {
      onOutput(Buffer.from(output));
      return { exitCode };
    };
  const check = { kind: "exec", container: "web", args: ["true"] };

  it.each([
    [0, "passing"],
    [1, "warning"],
    [2, "critical"],
    [137, "critical"],
  ])("exit status %i is %s", async (code, expected) => {
    expect(await run(check, { exec: exits(code, "said") })).toEqual({ status: expected, output: "said" });
  });

  it("keeps the end of a long output, and ends with its time", async () => {
    const long = await run(check, { exec: exits(0, `${"x".repeat(10_000)}end`) });
    expect(long.output).toHaveLength(healthLimits.outputMaxBytes);
    expect(long.output.endsWith("end")).toBe(true);
    const never: ContainerExec = (_container, _args, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error)),
      );
    const late: ProbeResult = await run(check, { exec: never, timeoutMs: 50 });
    expect(late).toEqual({ status: "critical", output: "Timed out (50 ms) running check" });
    const refused: ContainerExec = () => Promise.reject(new Error("no such container"));
    expect(await run(check, { exec: refused })).toEqual({ status: "critical", output: "no such container" });
    expect((await run(check)).status).toBe("critical");
  });
});

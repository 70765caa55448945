/** DNS over TLS and what connections have in common, seen by kdig and by clients of our own. */
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { afterEach, expect, test } from "vitest";
import { parseIp } from "../addr/index.ts";
import { type DnsServerOptions, dnsServer, MemoryCatalog } from "./index.ts";
import { FrameReader, frame } from "./listen/index.ts";
import { decodeMessage, emptyMessage, encodeMessage, type Message, typeNumbers } from "./wire/index.ts";

const run = promisify(execFile);
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).toReversed()) await stop();
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), "heddle-tls-"));
  stops.push(() => rmSync(path, { recursive: true }));
  return path;
}

function makePair(path: string, name: string) {
  const [certFile, keyFile] = [join(path, "cert.pem"), join(path, "key.pem")];
  const key = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const what = ["-days", "2", "-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name}`];
  execFileSync("openssl", [...key, ...what, "-keyout", keyFile, "-out", certFile], { stdio: "ignore" });
  return { certFile, keyFile };
}

async function start(more: Partial<DnsServerOptions> = {}) {
  const catalog = new MemoryCatalog();
  const address = parseIp("10.1.0.1");
  const web = {
    node: "n1",
    nodeUp: true,
    nodeAddresses: [address],
    port: 1,
    tags: [],
    status: "passing" as const,
  };
  catalog.setService("web", [web]);
  const server = dnsServer({
    listen: [{ address: parseIp("127.0.0.1"), port: 0 }],
    catalog,
    udp: "main",
    ...more,
  });
  const [endpoint] = await server.start();
  stops.push(() => server.stop());
  return { catalog, server, port: endpoint?.port ?? 0, tlsPort: server.tlsEndpoints()[0]?.port ?? 0 };
}

const query = (options: readonly { code: number; data: Uint8Array }[] = [], id = 1): Message => ({
  ...emptyMessage,
  id,
  questions: [{ name: "web.service.consul", type: typeNumbers.A, class: 1 }],
  edns: { udpBytes: 1232, version: 0, dnssecOk: false, options },
});

/** The replies to these queries, in the order in which they come. */
function exchange(socket: ReturnType<typeof connect>, queries: readonly Message[]): Promise<Message[]> {
  const frames = new FrameReader(65_535);
  const replies: Message[] = [];
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      for (const bytes of frames.push(chunk) ?? []) replies.push(decodeMessage(bytes));
      if (replies.length < queries.length) return;
      socket.destroy();
      resolve(replies);
    });
    socket.write(Buffer.concat(queries.map((each) => frame(encodeMessage(each)))));
  });
}

const nothing = new Uint8Array(0);

test("kdig is answered over TLS, by the certificate of that name, and padded to 468 bytes where it pads", async () => {
  const files = makePair(directory(), "dns.example");
  const { tlsPort } = await start({ tls: { ...files, port: 0 } });
  const verified = ["+tls", `+tls-ca=${files.certFile}`, "+tls-hostname=dns.example"];
  const args = ["@127.0.0.1", "-p", String(tlsPort), ...verified, "+padding", "web.service.consul", "A"];
  const { stdout } = await run("kdig", args);
  expect(stdout).toContain("10.1.0.1");
  expect(stdout).toMatch(/TLS session .*1\.3/);
  expect(stdout).toMatch(/Received 468 B/);
  await expect(
    run(
      "kdig",
      args.map((each) => each.replace("dns.example", "other.example")),
    ),
  ).rejects.toThrow();
});

test("a renewed certificate is used without a restart, one that does not fit is not", async () => {
  const path = directory();
  const files = makePair(path, "one.example");
  const failures: unknown[] = [];
  const { tlsPort } = await start({
    tls: { ...files, port: 0 },
    limits: { certificateRefreshMs: 20 },
    log: (level, _message, { error }) => void (level === "error" && failures.push(error)),
  });
  const name = () =>
    new Promise((resolve, reject) => {
      const socket: TLSSocket = connectTls(
        { port: tlsPort, host: "127.0.0.1", rejectUnauthorized: false },
        () => {
          resolve(socket.getPeerCertificate().subject.CN);
          socket.destroy();
        },
      );
      socket.on("error", reject);
    });
  expect(await name()).toBe("one.example");
  makePair(path, "two.example");
  await expect.poll(name).toBe("two.example");
  const other = makePair(directory(), "three.example");
  execFileSync("cp", [other.keyFile, files.keyFile]);
  await expect.poll(() => failures.length).toBeGreaterThan(0);
  expect(failures[0]).toMatchObject({ code: "DNS_TLS_FAILED" });
  expect(await name()).toBe("two.example");
});

test("a certificate that is not there is said at the start", async () => {
  const tls = { certFile: "/nowhere/cert.pem", keyFile: "/nowhere/key.pem", port: 0 };
  await expect(start({ tls })).rejects.toMatchObject({ code: "DNS_TLS_FAILED" });
});

test("who asks how long a connection may idle is told so over TCP and TLS, never over UDP (RFC 7828)", async () => {
  const files = makePair(directory(), "dns.example");
  const { port, tlsPort } = await start({ tls: { ...files, port: 0 }, limits: { tcpIdleTimeoutMs: 7000 } });
  const asks = query([{ code: 11, data: nothing }]);
  const told = { edns: { options: [{ code: 11, data: Uint8Array.of(0, 70) }] } };
  expect(await exchange(connect(port, "127.0.0.1"), [asks])).toMatchObject([told]);
  const tls = connectTls({ port: tlsPort, host: "127.0.0.1", rejectUnauthorized: false });
  expect(await exchange(tls, [asks])).toMatchObject([told]);
  expect(await exchange(connect(port, "127.0.0.1"), [query()])).toMatchObject([{ edns: { options: [] } }]);
  const wrong = query([{ code: 11, data: Uint8Array.of(0, 70) }]);
  expect(await exchange(connect(port, "127.0.0.1"), [wrong])).toMatchObject([{ rcode: 1 }]);
});

test("answers of one connection come as they get ready, not in the order of the questions (RFC 7766)", async () => {
  const { port, catalog } = await start();
  const node = { name: "slow", up: true, addresses: [parseIp("10.1.0.9")], meta: {} };
  let answer: (value: typeof node) => void = () => {};
  catalog.node = (() => new Promise((resolve) => (answer = resolve))) as never;
  const slow = { ...query([], 7), questions: [{ name: "slow.node.consul", type: typeNumbers.A, class: 1 }] };
  const socket = connect(port, "127.0.0.1");
  const replies = exchange(socket, [slow, query([], 8)]);
  await new Promise((resolve) => socket.once("data", resolve));
  answer(node);
  expect((await replies).map(({ id }) => id)).toEqual([8, 7]);
});

test("a client that never finishes its handshake neither stays nor keeps the server from stopping", async () => {
  const files = makePair(directory(), "dns.example");
  const limits = { tcpIdleTimeoutMs: 100, tcpConnectionsPerClientMax: 1 };
  const { server, tlsPort } = await start({ tls: { ...files, port: 0 }, limits });
  const mute = connect(tlsPort, "127.0.0.1");
  mute.on("error", () => {});
  await new Promise((resolve) => mute.once("close", resolve));
  const other = connect(tlsPort, "127.0.0.1");
  other.on("error", () => {});
  await new Promise((resolve) => other.once("connect", resolve));
  await server.stop();
});

/** How servers are chosen, left alone and found again; zones, hedges, cookies, TLS, loops, and what has expired. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { parseIp } from "../../addr/index.ts";
import { type Clock, systemClock } from "../../clock/index.ts";
import { type Answer, answers, nameServer } from "../../test/fixtures/name-server.ts";
import type { NameServer } from "../client/index.ts";
import { dnsServer, MemoryCatalog, queryDns } from "../index.ts";
import { extendedErrorOption, extendedErrors, type Message, rcodes } from "../wire/index.ts";
import { type ForwarderOptions, parseForwardZone, parseNameServer, UpstreamForwarder } from "./index.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function upstream(answer: Answer, overTcp: Answer = answer) {
  const server = await nameServer(answer, overTcp);
  stops.push(server.stop);
  return server;
}

/** For a machine that is busy. */
const patience = { timeout: 10_000 };
const bits = { checkingDisabled: false, dnssecOk: false };
const question = (name: string) => ({ name, type: 1, class: 1 });

function forwarder(servers: readonly NameServer[], more: Partial<ForwarderOptions> = {}) {
  let id = 0;
  const made = new UpstreamForwarder({
    zones: [{ zone: "", servers: () => servers }],
    isOurs: () => false,
    clock: systemClock,
    randomId: () => (id = (id * 31 + 7) & 0xffff),
    mixCase: false,
    timeoutMs: 100,
    triesMax: 3,
    inflightMax: 10,
    hedgesMax: 10,
    hedgeMinMs: 10_000,
    restMinMs: 20,
    restMaxMs: 40,
    streamIdleMs: 1000,
    staleAfterMs: 50,
    staleRetryMs: 30_000,
    failureMs: 1000,
    cache: {
      entriesMax: 100,
      bytesMax: 1 << 20,
      ttlSecondsMax: 3600,
      negativeTtlSecondsMax: 60,
      staleSecondsMax: 86_400,
      staleTtlSeconds: 30,
    },
    ...more,
  });
  stops.push(() => made.close());
  const ask = async (name: string) => {
    const { message, errors } = await made.forward(question(name), bits);
    const ips = message.answers.map(({ data }) => (data.kind === "A" ? data.address : data.kind));
    return { message, errors, ips };
  };
  return { made, ask };
}

/** Time of a test with timers of the real world: sockets do not wait for a manual clock. */
class ShiftedClock implements Clock {
  #aheadMs = 0;
  readonly setTimer = systemClock.setTimer.bind(systemClock);
  readonly sleep = systemClock.sleep.bind(systemClock);
  monotonicMs = () => systemClock.monotonicMs() + this.#aheadMs;
  wallMs = () => systemClock.wallMs() + this.#aheadMs;
  shift(seconds: number): void {
    this.#aheadMs += seconds * 1000;
  }
}

describe("a server that gives no answer", () => {
  test("rests, is found again by a question of our own, and serves again", async () => {
    let works = false;
    const first = await upstream((query) => (works ? answers("192.0.2.1")(query) : undefined));
    const second = await upstream(answers("192.0.2.2"));
    const { made, ask } = forwarder([first, second]);
    expect((await ask("a.example")).ips).toEqual(["192.0.2.2"]);
    const clients = first.seen.length;
    expect(clients).toBe(1);
    expect(made.stats().upstreams[0]?.rests).toBe(true);
    await expect.poll(() => first.seen.length, patience).toBeGreaterThan(clients + 1);
    expect(first.seen.slice(clients).every(({ questions }) => questions[0]?.name === "")).toBe(true);
    expect((await ask("b.example")).ips).toEqual(["192.0.2.2"]);
    works = true;
    await expect.poll(() => made.stats().upstreams[0]?.rests, patience).toBe(false);
    await expect
      .poll(async () => (await ask(`c${Math.random()}.example`)).ips, patience)
      .toEqual(["192.0.2.1"]);
  });

  test("is asked all the same when there is no other", async () => {
    const only = await upstream(() => undefined);
    const { ask } = forwarder([only], { restMinMs: 60_000, restMaxMs: 60_000, timeoutMs: 20 });
    await expect(ask("a.example")).rejects.toMatchObject({ code: "DNS_QUERY_FAILED" });
    await expect(ask("b.example")).rejects.toMatchObject({ code: "DNS_QUERY_FAILED" });
    expect(only.seen.length).toBe(6);
  });
});

describe("a slow server", () => {
  test("is helped out by the next one, within the bound of hedges", async () => {
    const mute = await upstream(() => undefined);
    const quick = await upstream(answers("192.0.2.2"));
    const bound = { timeoutMs: 2000, hedgeMinMs: 20, restMinMs: 60_000 };
    const { ask } = forwarder([mute, quick], bound);
    expect((await ask("a.example")).ips).toEqual(["192.0.2.2"]);
    expect(mute.seen).toHaveLength(1);
    const without = forwarder([mute, quick], { ...bound, hedgesMax: 0, timeoutMs: 150 });
    const startMs = performance.now();
    expect((await without.ask("a.example")).ips).toEqual(["192.0.2.2"]);
    expect(performance.now() - startMs).toBeGreaterThan(140);
  });
});

describe("zones", () => {
  test("take their names to their own servers, the longest zone first", async () => {
    const [other, corp, lab] = await Promise.all([1, 2, 3].map((n) => upstream(answers(`192.0.2.${n}`))));
    const zones = [
      { zone: "", servers: () => [other as NameServer] },
      { zone: "corp.example", servers: () => [corp as NameServer] },
      { zone: "lab.corp.example", servers: () => [lab as NameServer] },
    ];
    const { ask } = forwarder([], { zones });
    const asked = ["a.example", "Corp.Example", "x.corp.example", "x.LAB.corp.example", "notcorp.example"];
    expect(await Promise.all(asked.map(async (name) => (await ask(name)).ips[0]))).toEqual(
      [1, 2, 2, 3, 1].map((n) => `192.0.2.${n}`),
    );
  });

  test.each([
    ["192.0.2.1", { address: "192.0.2.1", port: 53 }],
    ["192.0.2.1:5353", { address: "192.0.2.1", port: 5353 }],
    ["2001:db8::1", { address: "2001:db8::1", port: 53 }],
    ["[2001:db8::1]:5353", { address: "2001:db8::1", port: 5353 }],
    ["tls://192.0.2.1#dns.example", { address: "192.0.2.1", port: 853, tlsName: "dns.example" }],
    ["tls://[2001:db8::1]:8853#d.example", { address: "2001:db8::1", port: 8853, tlsName: "d.example" }],
  ])("server %s is %j", (text, expected) => {
    expect(parseNameServer(text)).toEqual(expected);
  });

  test.each(["", "example", "192.0.2.1:0", "192.0.2.1:70000", "tls://192.0.2.1", "192.0.2.1#x", "[x]:53"])(
    "server %j is none",
    (text) => expect(() => parseNameServer(text)).toThrow(/expected ADDRESS/),
  );

  test("are read as ZONE=SERVER,SERVER", () => {
    expect(parseForwardZone("Corp.example.=10.0.0.1,10.0.0.2:54")).toEqual({
      zone: "corp.example",
      servers: [
        { address: "10.0.0.1", port: 53 },
        { address: "10.0.0.2", port: 54 },
      ],
    });
    for (const text of ["corp.example", "=10.0.0.1", "corp.example="])
      expect(() => parseForwardZone(text)).toThrow();
  });
});

describe("what has expired", () => {
  const errorsOf = (reply: { errors: readonly { code: number; text: string }[] }) => reply.errors;

  test("is given with its age and 30 s when nobody answers, at once while that is known, and never fresh again by itself", async () => {
    const clock = new ShiftedClock();
    let works = true;
    const server = await upstream((query) => (works ? answers("192.0.2.1")(query) : undefined));
    const { made, ask } = forwarder([server], { clock, timeoutMs: 30, triesMax: 1, restMinMs: 60_000 });
    await ask("a.example");
    works = false;
    clock.shift(100);
    const stale = await ask("a.example");
    expect(stale.ips).toEqual(["192.0.2.1"]);
    expect(stale.message.answers[0]?.ttlSeconds).toBe(30);
    expect(errorsOf(stale)).toEqual([{ code: extendedErrors.StaleAnswer, text: "expired 40 s ago" }]);
    const seen = server.seen.length;
    expect((await ask("a.example")).ips).toEqual(["192.0.2.1"]);
    expect(server.seen.length).toBe(seen);
    works = true;
    clock.shift(31);
    expect((await ask("a.example")).errors).toEqual([]);
    expect(made.stats()).toMatchObject({ stale: 2 });
    clock.shift(86_400 + 60);
    works = false;
    await expect(ask("a.example")).rejects.toMatchObject({ code: "DNS_QUERY_FAILED" });
  });

  test("is a stale NXDOMAIN where it was one", async () => {
    const clock = new ShiftedClock();
    let works = true;
    const soa = {
      kind: "SOA",
      primary: "a",
      mailbox: "b",
      serial: 1,
      refreshSeconds: 1,
      retrySeconds: 1,
    } as const;
    const data = { ...soa, expireSeconds: 1, minimumSeconds: 20 };
    const authorities = [{ name: "example", class: 1, ttlSeconds: 20, data }];
    const no = (query: Message) => ({ ...query, response: true, rcode: rcodes.NXDOMAIN, authorities });
    const server = await upstream((query) =>
      works ? no(query) : { ...query, response: true, rcode: rcodes.SERVFAIL },
    );
    const { ask } = forwarder([server], { clock, triesMax: 1 });
    await ask("none.example");
    works = false;
    clock.shift(25);
    const stale = await ask("none.example");
    expect(stale.message.rcode).toBe(rcodes.NXDOMAIN);
    expect(errorsOf(stale)).toEqual([{ code: extendedErrors.StaleNxdomain, text: "expired 5 s ago" }]);
  });

  test("is given while a slow server still thinks", async () => {
    const clock = new ShiftedClock();
    let works = true;
    const server = await upstream((query) => (works ? answers("192.0.2.1")(query) : undefined));
    const { ask } = forwarder([server], { clock, timeoutMs: 5000, triesMax: 1, staleAfterMs: 30 });
    await ask("a.example");
    works = false;
    clock.shift(100);
    expect((await ask("a.example")).errors).toHaveLength(1);
  });
});

test("an answer that is asked for again near its end is renewed before", async () => {
  const clock = new ShiftedClock();
  const server = await upstream(answers("192.0.2.1"));
  const { ask } = forwarder([server], { clock });
  await ask("a.example");
  await ask("a.example");
  clock.shift(50);
  await ask("a.example");
  expect(server.seen).toHaveLength(1);
  clock.shift(5);
  await ask("a.example");
  await expect.poll(() => server.seen.length, patience).toBe(2);
});

test("a question that failed just now fails again without asking", async () => {
  const clock = new ShiftedClock();
  const server = await upstream((query) => ({ ...query, response: true, rcode: rcodes.SERVFAIL }));
  const { ask } = forwarder([server], { clock, triesMax: 1, restMinMs: 60_000 });
  expect((await ask("a.example")).message.rcode).toBe(rcodes.SERVFAIL);
  expect((await ask("a.example")).message.rcode).toBe(rcodes.SERVFAIL);
  expect(server.seen).toHaveLength(1);
  clock.shift(2);
  await ask("a.example");
  expect(server.seen).toHaveLength(2);
});

test("a server's cookie is shown to it again, BADCOOKIE is tried again, and another's cookie is not believed", async () => {
  const cookieOf = ({ edns }: Message) =>
    edns?.options.find(({ code }) => code === 10)?.data ?? new Uint8Array();
  const ours = (query: Message) => Buffer.concat([cookieOf(query).subarray(0, 8), Buffer.alloc(16, 7)]);
  const withCookie = (query: Message, data: Uint8Array, rcode: number, ip?: string): Message => ({
    ...(ip === undefined ? { ...query, response: true } : answers(ip)(query)),
    rcode,
    edns: { udpBytes: 1232, version: 0, dnssecOk: false, options: [{ code: 10, data }] },
  });
  const server = await upstream((query) =>
    Buffer.compare(cookieOf(query), ours(query)) === 0
      ? [
          withCookie(query, Buffer.alloc(24, 1), 0, "203.0.113.66"),
          withCookie(query, ours(query), 0, "192.0.2.1"),
        ]
      : withCookie(query, ours(query), rcodes.BADCOOKIE),
  );
  const { ask } = forwarder([server]);
  expect((await ask("a.example")).ips).toEqual(["192.0.2.1"]);
  expect((await ask("b.example")).ips).toEqual(["192.0.2.1"]);
  expect(server.seen.map((query) => cookieOf(query).length)).toEqual([8, 24, 24]);
});

test("a server from before EDNS is asked without", async () => {
  const server = await upstream(({ edns, ...query }) =>
    edns ? { ...query, response: true, rcode: rcodes.FORMERR } : answers("192.0.2.1")(query),
  );
  const { ask } = forwarder([server]);
  expect((await ask("a.example")).ips).toEqual(["192.0.2.1"]);
  await ask("b.example");
  expect(server.seen.map(({ edns }) => edns !== undefined)).toEqual([true, false, false]);
});

describe("between two servers of ours", () => {
  async function serve(more: Partial<Parameters<typeof dnsServer>[0]>) {
    const catalog = new MemoryCatalog();
    const node = { node: "n", nodeUp: true, nodeAddresses: [parseIp("10.1.0.1")], port: 1, tags: [] };
    catalog.setService("web", [{ ...node, status: "passing" }]);
    const loopback = { address: parseIp("127.0.0.1"), port: 0 };
    const server = dnsServer({ listen: [loopback], catalog, udp: "main", ...more });
    const [endpoint] = await server.start();
    stops.push(() => server.stop());
    return { server, port: endpoint?.port ?? 0 };
  }

  test("a question over TLS is answered over one connection that is kept, by the right name only", async () => {
    const path = mkdtempSync(join(tmpdir(), "heddle-dot-"));
    stops.push(() => rmSync(path, { recursive: true }));
    const [certFile, keyFile] = [join(path, "cert.pem"), join(path, "key.pem")];
    const what = [
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=dns.example",
      "-addext",
      "subjectAltName=DNS:dns.example",
    ];
    const key = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    execFileSync("openssl", [...key, ...what, "-keyout", keyFile, "-out", certFile], { stdio: "ignore" });
    const { server } = await serve({ tls: { certFile, keyFile, port: 0 }, domains: ["far"] });
    const port = server.tlsEndpoints()[0]?.port ?? 0;
    const ca = readFileSync(certFile, "utf8");
    const { ask } = forwarder([{ address: "127.0.0.1", port, tlsName: "dns.example" }], {
      ca,
      timeoutMs: 2000,
    });
    const names = ["web.service.far", "WEB.service.far", "n.node.far", "web.service.dc1.far"];
    const replies = await Promise.all(names.map(ask));
    expect(replies.map(({ ips }) => ips[0] ?? "none")).toEqual(["10.1.0.1", "10.1.0.1", "none", "10.1.0.1"]);
    expect(server.stats().tcpConnections).toBe(1);
    const wrong = forwarder([{ address: "127.0.0.1", port, tlsName: "evil.example" }], { ca, triesMax: 1 });
    await expect(wrong.ask("web.service.far")).rejects.toMatchObject({ code: "DNS_QUERY_FAILED" });
  });

  test("a loop is told at once", async () => {
    const servers: NameServer[] = [];
    const limits = { forwardTimeoutMs: 1000, forwardTriesMax: 1 };
    const { port } = await serve({ forward: { servers }, limits });
    const second = await serve({ forward: { servers: [{ address: "127.0.0.1", port }] }, limits });
    servers.push({ address: "127.0.0.1", port: second.port });
    const reply = await queryDns({
      server: "127.0.0.1",
      port,
      name: "x.example",
      type: "A",
      timeoutMs: 4000,
    });
    expect([rcodes.SERVFAIL, rcodes.REFUSED]).toContain(reply.rcode);
    expect(reply.edns?.options.some(({ code }) => code === extendedErrorOption)).toBe(true);
  });
});

/** The server on loopback, asked by dig, kdig, our client and by clients that mean no good. */
import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { parseCidr, parseIp } from "../addr/index.ts";
import {
  type CatalogReader,
  type DnsServerOptions,
  dnsServer,
  MemoryCatalog,
  queryDns,
  type ServiceInstance,
} from "./index.ts";
import { FrameReader, frame } from "./listen/index.ts";
import {
  decodeMessage,
  emptyMessage,
  encodeMessage,
  type Message,
  rcodes,
  typeNumbers,
} from "./wire/index.ts";

const run = promisify(execFile);
const loopback = parseIp("127.0.0.1");
const stops: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function instance(n: number, more: Partial<ServiceInstance> = {}): ServiceInstance {
  const address = parseIp(`10.1.${n >> 8}.${n & 255}`);
  return {
    node: `n${n}`,
    nodeUp: true,
    nodeAddresses: [address],
    port: 8000 + n,
    tags: [],
    status: "passing",
    ...more,
  };
}

/** HEDDLE_DNS_UDP=main runs these without the thread. */
const udpMode = process.env["HEDDLE_DNS_UDP"] === "main" ? "main" : "worker";

async function start(more: Partial<DnsServerOptions> = {}) {
  const catalog = new MemoryCatalog();
  catalog.setService("web", [
    instance(1, { tags: ["v1"] }),
    instance(2),
    instance(3, { status: "critical" }),
  ]);
  catalog.setService(
    "big",
    Array.from({ length: 300 }, (_, i) => instance(i)),
  );
  catalog.setNode("n1", {
    name: "n1",
    up: true,
    addresses: [parseIp("10.1.0.1"), parseIp("fd00::1")],
    meta: { rack: "a7" },
  });
  catalog.setReverse(parseIp("10.1.0.1"), [{ kind: "node", name: "n1", datacenter: "dc1" }]);
  const server = dnsServer({
    listen: [{ address: loopback, port: 0 }],
    catalog,
    udp: udpMode,
    reversePools: () => [parseCidr("10.1.0.0/16")],
    ...more,
  });
  const [endpoint] = await server.start();
  stops.push(() => server.stop());
  const port = endpoint?.port ?? 0;
  const ask = (name: string, type: string, rest: object = {}) =>
    queryDns({ server: "127.0.0.1", port, name, type, timeoutMs: 4000, ...rest });
  return { catalog, server, port, ask };
}

const dig = async (port: number, ...args: string[]) =>
  (await run("dig", ["@127.0.0.1", "-p", String(port), "+tries=1", "+time=4", ...args])).stdout;
const kdig = async (port: number, ...args: string[]) =>
  (await run("kdig", ["@127.0.0.1", "-p", String(port), "+retry=0", "+time=4", ...args])).stdout;

describe("client subnet", () => {
  test("is answered by what is near to it, with a scope, also when a ready answer is there", async () => {
    const { port, catalog } = await start({
      whereIs: (subnet) => (subnet === "10.9.8.0/24" ? { zone: "z2" } : undefined),
    });
    catalog.setService("web", [instance(1, { zone: "z1" }), instance(2, { zone: "z2" })]);
    await dig(port, "web.service.consul", "A", "+short");
    for (let turn = 0; turn < 8; turn++) {
      const near = await dig(port, "web.service.consul", "A", "+subnet=10.9.8.0/24");
      expect(near).toContain("CLIENT-SUBNET: 10.9.8.0/24/24");
      expect(near.indexOf("10.1.0.2")).toBeLessThan(near.indexOf("10.1.0.1\n"));
    }
    const elsewhere = await dig(port, "web.service.consul", "A", "+subnet=10.7.0.0/16");
    expect(elsewhere).toContain("CLIENT-SUBNET: 10.7.0.0/16/0");
    expect(elsewhere).toContain("ANSWER: 2");
    expect(await dig(port, "web.service.consul", "A", "+subnet=0")).toContain("CLIENT-SUBNET: 0.0.0.0/0/0");
    expect(await dig(port, "web.service.consul", "A", "+ednsopt=8:0001180a0a")).toContain("FORMERR");
    expect(await dig(port, "web.service.consul", "A")).not.toContain("CLIENT-SUBNET");
  });

  test("of a query's name, and its TTL", async () => {
    const { port, catalog } = await start();
    catalog.setQuery("q", { service: "web", instances: [instance(4)], ttlSeconds: 12, near: "" });
    for (let turn = 0; turn < 3; turn++)
      expect(await dig(port, "q.query.consul", "A", "+noall", "+answer")).toMatch(
        /q\.query\.consul\.\s+12\sIN\sA\s10\.1\.0\.4/,
      );
    catalog.setQuery("q", undefined);
    expect(await dig(port, "q.query.consul", "A")).toContain("NXDOMAIN");
  });
});

describe("dig and kdig", () => {
  test("get the addresses of healthy instances, in the case that they asked", async () => {
    const { port } = await start();
    const lines = (await dig(port, "WeB.service.consul", "A", "+short")).trim().split("\n").sort();
    expect(lines).toEqual(["10.1.0.1", "10.1.0.2"]);
    const full = await dig(port, "WeB.Service.consul", "A");
    expect(full).toMatch(/flags: qr aa rd; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1/);
    expect(full).toContain("WeB.Service.consul.\t0\tIN\tA\t10.1.0.");
    expect(full).toMatch(/EDNS: version: 0, flags:; udp: 1232/);
  });

  test.each([
    ["web.service.dc1.consul", "A", ["10.1.0.1", "10.1.0.2"]],
    ["web.service.dc1.dc.consul", "A", ["10.1.0.1", "10.1.0.2"]],
    ["v1.web.service.heddle", "A", ["10.1.0.1"]],
    ["_web._tcp.service.consul", "SRV", ["1 1 8001 n1.node.dc1.consul.", "1 1 8002 n2.node.dc1.consul."]],
    ["_web._v1.consul", "SRV", ["1 1 8001 n1.node.dc1.consul."]],
    ["n1.node.consul", "AAAA", ["fd00::1"]],
    ["n1.node.consul", "TXT", ['"rack=a7"']],
    ["0a000001.addr.consul", "A", ["10.0.0.1"]],
    ["consul", "NS", ["ns.consul."]],
    ["ns.consul", "A", ["127.0.0.1"]],
    ["1.0.1.10.in-addr.arpa", "PTR", ["n1.node.dc1.consul."]],
  ] as const)("%s %s", async (name, type, expected) => {
    const { port } = await start();
    expect((await dig(port, name, type, "+short")).trim().split("\n").sort()).toEqual(expected);
    expect((await kdig(port, name, type, "+short", "+tcp")).trim().split("\n").sort()).toEqual(expected);
  });

  test("SRV carries the targets' addresses in ADDITIONAL", async () => {
    const { port } = await start();
    const full = await kdig(port, "web.service.consul", "SRV");
    expect(full).toMatch(/ANSWER: 2; AUTHORITY: 0; ADDITIONAL: 2/);
    expect(full).toMatch(/n1\.node\.dc1\.consul\.\s+0\s+IN\s+A\s+10\.1\.0\.1/);
  });

  test.each([
    ["none.service.consul", "NXDOMAIN"],
    ["web.service.dc9.consul", "NXDOMAIN"],
    ["web.service.dc1.more.labels.consul", "NXDOMAIN"],
    ["v9.web.service.consul", "NXDOMAIN"],
    ["9.9.1.10.in-addr.arpa", "NXDOMAIN"],
    ["service.consul", "NOERROR"],
  ])("%s is %s, with SOA", async (name, status) => {
    const { port } = await start();
    const full = await dig(port, name, "A");
    expect(full).toContain(`status: ${status}`);
    expect(full).toMatch(/SOA\tns\.consul\. hostmaster\.consul\. \d+ 3600 600 86400 0/);
  });

  test.each([
    [["example.com", "A"], "REFUSED"],
    [["web.service.consul", "AXFR", "+tcp"], "failed"],
    [["web.service.consul", "A", "-c", "CH"], "REFUSED"],
    [["+opcode=4", "web.service.consul", "A"], "NOTIMP"],
    [["+edns=1", "+noednsneg", "web.service.consul", "A"], "BADVERS"],
  ])("%j gets %s", async (args, status) => {
    const { port } = await start();
    expect(await dig(port, ...args)).toMatch(new RegExp(status, "i"));
  });

  test("pipelined TCP queries are all answered on one connection", async () => {
    const { port } = await start();
    const names = Array.from({ length: 40 }, () => ["web.service.consul", "SRV"]).flat();
    const out = await kdig(port, "+tcp", "+keepopen", "+short", ...names);
    expect(out.trim().split("\n")).toHaveLength(80);
  });
});

describe("size of answers", () => {
  test("without EDNS 512 bytes, TC, and the same part each time, however the catalog orders it", async () => {
    const { port, catalog } = await start();
    const seen = new Set<string>();
    const all = Array.from({ length: 300 }, (_, i) => instance(i));
    for (let i = 0; i < 5; i++) {
      catalog.setService("big", [...all.slice(i * 50), ...all.slice(0, i * 50)]);
      const reply = await udp(port, query("big.service.consul", typeNumbers.A));
      expect(reply.bytes.length).toBeLessThanOrEqual(512);
      expect(reply.message.truncated).toBe(true);
      expect(reply.message.edns).toBeUndefined();
      seen.add(
        JSON.stringify(
          reply.message.answers.map(({ data }) => (data.kind === "A" ? data.address : "")).sort(),
        ),
      );
    }
    expect(seen.size).toBe(1);
  });

  test.each([
    [1000, 1000],
    [4096, 1232],
    [100, 512],
  ])("EDNS size %i is answered within %i, with OPT", async (asked, limit) => {
    const { port } = await start();
    const edns = { udpBytes: asked, version: 0, dnssecOk: true, options: [] };
    const reply = await udp(port, { ...query("big.service.consul", typeNumbers.SRV), edns });
    expect(reply.bytes.length).toBeLessThanOrEqual(limit);
    expect(reply.bytes.length).toBeGreaterThan(limit - 60);
    expect(reply.message.truncated).toBe(true);
    expect(reply.message.edns).toMatchObject({ udpBytes: 1232, dnssecOk: true });
  });

  test("TCP gives everything", async () => {
    const { ask } = await start();
    expect((await ask("big.service.consul", "A")).answers).toHaveLength(300);
    expect((await ask("big.service.consul", "SRV", { tcp: true })).additionals).toHaveLength(300);
  });
});

describe("many queries at once", () => {
  test.each(["worker", "main"] as const)(
    "from one socket get each its own answer (%s)",
    async (udpMode) => {
      const { port, catalog } = await start({ udp: udpMode });
      const names = ["a", "bb", "ccc", "dddd"];
      for (const [i, name] of names.entries()) catalog.setService(name, [instance(i), instance(i + 10)]);
      const socket = createSocket("udp4");
      const answered = new Map<number, Message>();
      socket.on("message", (bytes) => {
        const message = decodeMessage(bytes);
        answered.set(message.id, message);
      });
      const kinds = names.flatMap((name) => [typeNumbers.A, typeNumbers.SRV].map((type) => ({ name, type })));
      const asked = Array.from({ length: 400 }, (_, id) => ({
        id,
        ...(kinds[id % kinds.length] as (typeof kinds)[0]),
      }));
      const answers = () => {
        for (const { id, name, type } of asked) {
          if (answered.has(id)) continue;
          socket.send(encodeMessage({ ...query(`${name}.service.consul`, type), id }), port, "127.0.0.1");
        }
        return answered.size;
      };
      await expect.poll(answers).toBe(asked.length);
      socket.close();
      for (const { id, name, type } of asked) {
        const message = answered.get(id);
        expect(message?.questions).toEqual([{ name: `${name}.service.consul`, type, class: 1 }]);
        expect(message?.answers).toHaveLength(2);
      }
    },
    30_000,
  );
});

describe("cookies", () => {
  test.each(["worker", "main"] as const)(
    "are made, known again, and required if told so (%s)",
    async (udpMode) => {
      const { port } = await start({ udp: udpMode, cookies: { required: true } });
      const asked = (cookie: readonly number[] | Uint8Array) => ({
        ...query("web.service.consul", typeNumbers.A),
        edns: {
          udpBytes: 1232,
          version: 0,
          dnssecOk: false,
          options: [{ code: 10, data: Uint8Array.from(cookie) }],
        },
      });
      const first = (await udp(port, asked([1, 2, 3, 4, 5, 6, 7, 8]))).message;
      expect(first.rcode).toBe(rcodes.BADCOOKIE);
      const given = first.edns?.options[0]?.data ?? [];
      expect([...given.slice(0, 8)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      for (let i = 0; i < 3; i++) {
        const { message } = await udp(port, asked(given));
        expect(message).toMatchObject({
          rcode: rcodes.NOERROR,
          edns: { options: [{ code: 10, data: given }] },
        });
        expect(message.answers).toHaveLength(2);
      }
      expect((await udp(port, asked([...given.slice(0, 23), 0]))).message.rcode).toBe(rcodes.BADCOOKIE);
      expect((await udp(port, asked([1, 2, 3]))).message.rcode).toBe(rcodes.FORMERR);
      expect((await udp(port, { ...asked(given), questions: [] })).message.rcode).toBe(rcodes.NOERROR);
      expect((await udp(port, query("web.service.consul", typeNumbers.A))).message.answers).toHaveLength(2);
    },
  );

  test("are understood by kdig", async () => {
    const { port } = await start();
    expect(await kdig(port, "web.service.consul", "A", "+cookie")).toMatch(/COOKIE: [0-9a-f]{48}/i);
  });
});

describe("hostile clients", () => {
  test("bytes that are no query get FORMERR or silence, and the server goes on", async () => {
    const { port, ask } = await start();
    const garbage = Buffer.concat([
      Buffer.from([7, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
      Buffer.alloc(20, 0xc0),
    ]);
    expect((await udp(port, garbage)).message).toMatchObject({ id: 0x0707, rcode: rcodes.FORMERR });
    const socket = createSocket("udp4");
    for (const bytes of [[], [1], new Array(12).fill(0xff)])
      socket.send(Buffer.from(bytes), port, "127.0.0.1");
    expect((await ask("web.service.consul", "A")).answers).toHaveLength(2);
    socket.close();
  });

  test("a TCP client that sends a byte now and then is cut off", async () => {
    const { port } = await start({ limits: { tcpIdleTimeoutMs: 150 } });
    const socket = connect(port, "127.0.0.1");
    const drip = setInterval(() => socket.write(Buffer.from([0x0f])), 20);
    await closed(socket);
    clearInterval(drip);
  });

  test.each([{ tcpConnectionsMax: 2 }, { tcpConnectionsPerClientMax: 2 }])(
    "an oversized TCP query and connections beyond %j are dropped",
    async (limits) => {
      const { port, server } = await start({ limits });
      const first = connect(port, "127.0.0.1");
      first.write(Buffer.from([0xff, 0xff]));
      await closed(first);
      const kept = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
      await Promise.all(kept.map((socket) => once(socket, "connect")));
      const third = connect(port, "127.0.0.1");
      await closed(third);
      expect(server.stats().dropped).toBe(2);
      for (const socket of kept) socket.destroy();
    },
  );

  test("a flood on one TCP connection is answered in full, some at a time", async () => {
    const { port } = await start({ limits: { tcpInflightPerConnectionMax: 4 } });
    const socket = connect(port, "127.0.0.1");
    const frames = new FrameReader(65535);
    const ids = new Set<number>();
    const done = new Promise<void>((resolve) =>
      socket.on("data", (chunk) => {
        for (const message of frames.push(chunk) ?? []) ids.add(decodeMessage(message).id);
        if (ids.size === 1000) resolve();
      }),
    );
    const flood = Array.from({ length: 1000 }, (_, id) =>
      frame(encodeMessage({ ...query("web.service.consul", typeNumbers.A), id })),
    );
    socket.end(Buffer.concat(flood));
    await done;
    socket.destroy();
  });
});

describe("catalog", () => {
  test("a reader that fails or never answers gives SERVFAIL", async () => {
    const { ask, catalog } = await start({ limits: { replyTimeoutMs: 100 } });
    catalog.service = (() => Promise.reject(new Error("no server"))) as never;
    expect((await ask("web.service.consul", "A")).rcode).toBe(rcodes.SERVFAIL);
    catalog.service = (() => new Promise(() => {})) as never;
    expect((await ask("other.service.consul", "A")).rcode).toBe(rcodes.SERVFAIL);
  });

  test.each(["worker", "main"] as const)(
    "that lost its server says since when, 30 s at most (%s)",
    async (udpMode) => {
      let since: number | undefined;
      const catalog = new MemoryCatalog();
      let tell: (change: { readonly kind: "all" }) => void = () => {};
      const onChange: CatalogReader["onChange"] = (listener) => {
        tell = listener;
        return () => {};
      };
      Object.assign(catalog, { onChange, staleSinceMs: () => since });
      const { port, server } = await start({ udp: udpMode, catalog, ttl: { serviceSeconds: { "*": 300 } } });
      const edns = { udpBytes: 1232, version: 0, dnssecOk: false, options: [] };
      const asked = { ...query("web.service.consul", typeNumbers.A), edns };
      const turn = (to: number | undefined) => {
        since = to;
        catalog.setService("web", [instance(1)]);
        tell({ kind: "all" });
      };
      turn(undefined);
      for (const [to, seconds] of [
        [1_600_000_000_000, 30],
        [undefined, 300],
      ] as const) {
        turn(to);
        for (let i = 0; i < 4; i++) {
          const { message } = await udp(port, asked);
          expect(message.answers).toMatchObject([{ ttlSeconds: seconds }]);
          const [told] = message.edns?.options ?? [];
          const text = told && Buffer.from(told.data).toString("latin1");
          expect(text).toBe(to === undefined ? undefined : "\u0000\u0003as of 2020-09-13T12:26:40.000Z");
        }
        const no = await udp(port, { ...query("none.service.consul", typeNumbers.A), edns });
        expect(no.message.edns?.options[0]?.data[1]).toBe(to === undefined ? undefined : 19);
      }
      expect(server.stats().ready).toBeGreaterThan(2);
    },
  );

  test.each(["worker", "main"] as const)("a change shows in the very next answer (%s)", async (udpMode) => {
    const { port, catalog, server } = await start({ udp: udpMode });
    const asked = query("web.service.consul", typeNumbers.A);
    for (let i = 1; i <= 150; i++) {
      catalog.setService("web", [instance(i)]);
      for (let again = 0; again < 3; again++) {
        const { message } = await udp(port, asked);
        expect(message.answers.map(({ data }) => data)).toEqual([{ kind: "A", address: `10.1.0.${i}` }]);
      }
    }
    catalog.setService("web", undefined);
    expect((await udp(port, asked)).message.rcode).toBe(rcodes.NXDOMAIN);
    expect(server.stats().ready).toBeGreaterThan(150);
    expect(server.stats().udp).toBe(451);
    if (udpMode === "worker") expect(server.stats().readyInThreads).toBeGreaterThan(150);
  });

  test("the reply leaves from the address that was asked, on each of several", async () => {
    const other = parseIp("127.0.0.2");
    const six = parseIp("::1");
    const catalog = new MemoryCatalog();
    catalog.setService("web", [instance(1)]);
    const server = dnsServer({
      catalog,
      listen: [loopback, other, six].map((address) => ({ address, port: 0 })),
    });
    stops.push(() => server.stop());
    for (const { address, port } of await server.start()) {
      for (const tcp of [false, false, true]) {
        const reply = await queryDns({ server: address, port, name: "web.service.consul", type: "A", tcp });
        expect(reply.answers).toHaveLength(1);
      }
      const { ready } = server.stats();
      await expect
        .poll(async () => {
          await queryDns({ server: address, port, name: "web.service.consul", type: "A" });
          return server.stats().ready;
        })
        .toBeGreaterThan(ready);
    }
  });

  test("a port that is taken says so", async () => {
    const { port, catalog } = await start();
    const second = dnsServer({ listen: [{ address: loopback, port }], catalog, udp: "main" });
    await expect(second.start()).rejects.toMatchObject({
      code: "DNS_LISTEN_FAILED",
      message: expect.stringContaining("ss -lnptu"),
    });
  });
});

/** Also when the peer resets the connection. */
function closed(socket: Socket): Promise<void> {
  socket.on("error", () => {});
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

function query(name: string, type: number): Message {
  return { ...emptyMessage, id: 99, recursionDesired: true, questions: [{ name, type, class: 1 }] };
}

async function udp(port: number, asked: Message | Uint8Array) {
  const socket = createSocket("udp4");
  const answered = once(socket, "message");
  socket.send(asked instanceof Uint8Array ? asked : encodeMessage(asked), port, "127.0.0.1");
  const [bytes] = (await answered) as [Buffer];
  socket.close();
  return { bytes, message: decodeMessage(bytes) };
}

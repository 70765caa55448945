/** Forwarding, against upstream servers of our own making on loopback: helpful, slow, broken and forging ones. */
import { afterEach, describe, expect, test } from "vitest";
import { parseIp } from "../../addr/index.ts";
import { ManualClock, systemClock } from "../../clock/index.ts";
import { type Answer, answers, aRecord, nameServer } from "../../test/fixtures/name-server.ts";
import type { NameServer } from "../client/index.ts";
import { dnsServer, MemoryCatalog, queryDns } from "../index.ts";
import { decodeMessage, extendedErrorOption, type Message, rcodes } from "../wire/index.ts";
import { AnswerCache, type ForwarderOptions, parseResolvConf, UpstreamForwarder } from "./index.ts";

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function upstream(answer: Answer, overTcp: Answer = answer) {
  const server = await nameServer(answer, overTcp);
  stops.push(server.stop);
  return server;
}

const question = (name: string) => ({ name, type: 1, class: 1 });
const bits = { checkingDisabled: false, dnssecOk: false };
const cache = {
  entriesMax: 100,
  bytesMax: 1 << 20,
  ttlSecondsMax: 3600,
  negativeTtlSecondsMax: 60,
  staleSecondsMax: 0,
  staleTtlSeconds: 30,
};

function forwarder(servers: () => readonly NameServer[], more: Partial<ForwarderOptions> = {}) {
  let id = 0;
  const made = new UpstreamForwarder({
    zones: [{ zone: "", servers }],
    isOurs: (name) => name.endsWith("consul"),
    clock: systemClock,
    randomId: () => (id = (id * 31 + 7) & 0xffff),
    mixCase: false,
    timeoutMs: 100,
    triesMax: 3,
    inflightMax: 10,
    hedgesMax: 10,
    hedgeMinMs: 10_000,
    restMinMs: 60_000,
    restMaxMs: 60_000,
    streamIdleMs: 1000,
    staleAfterMs: 1000,
    staleRetryMs: 30_000,
    failureMs: 1000,
    cache,
    ...more,
  });
  stops.push(() => made.close());
  return made;
}

const ips = ({ message }: { readonly message: Message }) => addresses(message);
const addresses = (message: Message) =>
  message.answers.map(({ data }) => (data.kind === "A" ? data.address : data.kind));

describe("the forwarder", () => {
  test("asks equal questions under way once, and gives each asker its own case", async () => {
    const server = await upstream(answers("192.0.2.1"));
    const forward = forwarder(() => [server]);
    const replies = await Promise.all(
      ["example.com", "Example.com", "EXAMPLE.COM"].map((name) => forward.forward(question(name), bits)),
    );
    expect(replies.map(({ message }) => message.answers[0]?.name)).toEqual([
      "example.com",
      "Example.com",
      "EXAMPLE.COM",
    ]);
    await forward.forward(question("example.com"), bits);
    expect(server.seen).toHaveLength(1);
    expect(forward.stats()).toMatchObject({ asked: 1, cacheHits: 1, cached: 1, inflight: 0 });
  });

  test("goes on to the next server when one is silent or fails, and asks that one last from then on", async () => {
    const silent = await upstream(() => undefined);
    const failing = await upstream((query) => ({ ...query, response: true, rcode: rcodes.SERVFAIL }));
    const good = await upstream(answers("192.0.2.2"));
    const forward = forwarder(() => [silent, failing, good]);
    expect(ips(await forward.forward(question("a.example"), bits))).toEqual(["192.0.2.2"]);
    expect(ips(await forward.forward(question("b.example"), bits))).toEqual(["192.0.2.2"]);
    expect([silent.seen.length, failing.seen.length, good.seen.length]).toEqual([1, 1, 2]);
  });

  test("ignores replies with another id, another question, or none of the response bit", async () => {
    const server = await upstream((query) => {
      const good = answers("192.0.2.3")(query);
      const forged = answers("203.0.113.66")(query);
      return [
        { ...forged, id: (query.id + 1) & 0xffff },
        { ...forged, questions: [question("other.example")] },
        { ...forged, response: false },
        good,
      ];
    });
    expect(ips(await forwarder(() => [server]).forward(question("a.example"), bits))).toEqual(["192.0.2.3"]);
  });

  test("mixes case when told to, and believes only a reply that repeats it", async () => {
    const lower = (query: Message): Message => ({
      ...answers("203.0.113.66")(query),
      questions: query.questions.map((each) => ({ ...each, name: each.name.toLowerCase() })),
    });
    const server = await upstream((query) => [lower(query), answers("192.0.2.4")(query)]);
    const forward = forwarder(() => [server], { mixCase: true });
    const reply = await forward.forward(question("averylongname.example"), bits);
    expect(ips(reply)).toEqual(["192.0.2.4"]);
    expect(reply.message.answers[0]?.name).toBe("averylongname.example");
    expect(server.seen[0]?.questions[0]?.name).not.toBe("averylongname.example");
  });

  test("takes a truncated answer again over TCP", async () => {
    const server = await upstream(
      (query) => ({ ...query, response: true, truncated: true }),
      answers("192.0.2.5"),
    );
    expect(ips(await forwarder(() => [server]).forward(question("a.example"), bits))).toEqual(["192.0.2.5"]);
  });

  test("never keeps records of our own domains", async () => {
    const server = await upstream((query) => ({
      ...query,
      response: true,
      answers: [aRecord("x.example", "192.0.2.6"), aRecord("web.service.consul", "203.0.113.66")],
    }));
    const forward = forwarder(() => [server]);
    await forward.forward(question("x.example"), bits);
    expect(forward.stats().cached).toBe(0);
  });

  test("refuses more questions under way than its bound, and fails when there is nobody to ask", async () => {
    const silent = await upstream(() => undefined);
    const forward = forwarder(() => [silent], { inflightMax: 1, triesMax: 1 });
    const first = forward.forward(question("a.example"), bits);
    await expect(forward.forward(question("b.example"), bits)).rejects.toMatchObject({
      code: "DNS_FORWARD_OVERLOADED",
    });
    await expect(first).rejects.toMatchObject({ code: "DNS_QUERY_FAILED" });
    expect(forward.stats().inflight).toBe(0);
    await expect(forwarder(() => []).forward(question("a.example"), bits)).rejects.toThrow(
      /no name server to ask/,
    );
  });
});

describe("the cache", () => {
  const nxdomain = (ttlSeconds: number, minimumSeconds: number): Message => ({
    ...answers()({ ...decodeMessage(new Uint8Array(12)), questions: [question("x")] }),
    rcode: rcodes.NXDOMAIN,
    authorities: [
      {
        name: "",
        class: 1,
        ttlSeconds,
        data: {
          kind: "SOA",
          primary: "a",
          mailbox: "b",
          serial: 1,
          refreshSeconds: 1,
          retrySeconds: 1,
          expireSeconds: 1,
          minimumSeconds,
        },
      },
    ],
  });
  const positive = (ttlSeconds: number): Message => ({
    ...nxdomain(9, 9),
    rcode: 0,
    authorities: [],
    answers: [aRecord("x", "192.0.2.1", ttlSeconds)],
  });

  test.each([
    ["a positive answer by its TTL", positive(30), 30],
    ["a long one by the cap", positive(86_400), 3600],
    ["a negative one by the SOA's minimum", nxdomain(50, 20), 20],
    ["a negative one by the SOA's own TTL", nxdomain(10, 20), 10],
    ["a long negative one by its cap", nxdomain(9999, 9999), 60],
    ["TTL 0 not at all", positive(0), 0],
    ["NXDOMAIN without SOA not at all", { ...nxdomain(9, 9), authorities: [] }, 0],
    ["SERVFAIL not at all", { ...positive(30), rcode: rcodes.SERVFAIL }, 0],
    ["a truncated answer not at all", { ...positive(30), truncated: true }, 0],
  ] as const)("keeps %s", async (_what, message, seconds) => {
    const clock = new ManualClock();
    const kept = new AnswerCache(cache, clock);
    kept.put("x", message);
    if (seconds > 0) {
      await clock.advance(seconds * 1000 - 1);
      expect(kept.get("x")).toBeDefined();
      await clock.advance(1);
    }
    expect(kept.get("x")).toBeUndefined();
  });

  test("gives TTLs less the time that passed, and stays within its bounds", async () => {
    const clock = new ManualClock();
    const kept = new AnswerCache(cache, clock);
    kept.put("x", positive(30));
    await clock.advance(12_000);
    expect(kept.get("x")?.message.answers[0]?.ttlSeconds).toBe(18);
    for (let i = 0; i < 500; i++) kept.put(`x${i}`, positive(30));
    expect(kept.size).toBe(100);
  });
});

describe("the server's forwarding", () => {
  async function serve(allowed: boolean, answer: Answer) {
    const server = await upstream(answer);
    const catalog = new MemoryCatalog();
    catalog.setService("out", [
      {
        node: "n",
        nodeUp: true,
        nodeAddresses: [],
        address: "db.example",
        port: 1,
        tags: [],
        status: "passing",
      },
    ]);
    const dns = dnsServer({
      listen: [{ address: parseIp("127.0.0.1"), port: 0 }],
      catalog,
      udp: "main",
      forward: { servers: [server], allowed: () => allowed },
      limits: { forwardTimeoutMs: 50, forwardTriesMax: 1 },
    });
    const [endpoint] = await dns.start();
    stops.push(() => dns.stop());
    const ask = (name: string, more: object = {}) =>
      queryDns({ server: "127.0.0.1", port: endpoint?.port ?? 0, name, type: "A", ...more });
    return { ask, server };
  }

  test("is for allowed clients that ask for recursion; others are refused, with the reason", async () => {
    const open = await serve(true, answers("192.0.2.7"));
    const reply = await open.ask("a.example");
    expect(addresses(reply)).toEqual(["192.0.2.7"]);
    expect(reply).toMatchObject({ recursionAvailable: true, authoritative: false });
    expect((await open.ask("a.example", { recursionDesired: false })).rcode).toBe(rcodes.REFUSED);
    const closed = await serve(false, answers("192.0.2.7"));
    const refused = await closed.ask("a.example");
    expect(refused.rcode).toBe(rcodes.REFUSED);
    expect(refused.edns?.options[0]).toMatchObject({ code: extendedErrorOption });
    expect(closed.server.seen).toHaveLength(0);
  });

  test("SERVFAIL with an extended error when nobody answers", async () => {
    const { ask } = await serve(true, () => undefined);
    const reply = await ask("a.example");
    expect(reply.rcode).toBe(rcodes.SERVFAIL);
    expect([...(reply.edns?.options[0]?.data.subarray(0, 2) ?? [])]).toEqual([0, 22]);
  });

  test("follows a CNAME of ours to a foreign name", async () => {
    const { ask } = await serve(true, answers("192.0.2.8"));
    expect(addresses(await ask("out.service.consul"))).toEqual(["CNAME", "192.0.2.8"]);
  });
});

test("resolv.conf gives its name servers and nothing else", () => {
  const text =
    "# comment\nnameserver 192.0.2.1\n nameserver\t2001:db8::1 \nnameserver fe80::1%eth0\nnameserver example\nsearch x\noptions ndots:5\n";
  expect(parseResolvConf(text).map(({ address }) => address)).toEqual([
    "192.0.2.1",
    "2001:db8::1",
    "fe80::1%eth0",
  ]);
});

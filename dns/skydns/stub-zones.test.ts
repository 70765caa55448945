/** Stub zones: which records name one, and servers on loopback that ask each other. */
import fc from "fast-check";
import { afterEach, describe, expect, test } from "vitest";
import { parseIp } from "../../addr/index.ts";
import { systemClock } from "../../clock/index.ts";
import { exchangeUdp } from "../client/index.ts";
import { type DnsServerOptions, dnsServer, MemoryCatalog } from "../index.ts";
import { type EdnsOption, emptyMessage, rcodes, typeNumbers } from "../wire/index.ts";
import { readStubZones } from "./stub-zones.ts";

const rules = { domain: "skydns.local", domains: ["consul", "skydns.local"], zonesMax: 3, serversMax: 2 };
const under = "skydns/local/skydns/dns/stub";

describe("a record below dns/stub", () => {
  const read = (...records: readonly (readonly [string, unknown])[]) =>
    readStubZones(new Map(records.map(([key, value]) => [`${under}/${key}`, JSON.stringify(value)])), rules);
  const server = { host: "10.0.0.1" };

  test("names a server of the zone that its key spells, at port 53 unless it says another", () => {
    expect(read(["com/example/ns2", { host: "10.0.0.2", port: 54 }], ["com/example/ns1", server])).toEqual([
      {
        zone: "example.com",
        servers: [
          { address: "10.0.0.1", port: 53 },
          { address: "10.0.0.2", port: 54 },
        ],
      },
    ]);
  });

  test.each([
    ["no zone", "ns1", server],
    ["a host that is a name", "com/other/ns1", { host: "ns.example.com" }],
    ["what is no record", "com/other/ns1", "10.0.0.1"],
    ["SkyDNS's own domain", "local/skydns/ns1", server],
    ["what our domain is below", "local/ns1", server],
    ["another domain of ours", "consul/ns1", server],
    ["what is below another domain of ours", "consul/service/ns1", server],
    ["a name that DNS cannot carry", "com/a b/ns1", server],
  ])("is passed over: %s", (_, key, value) => {
    expect(read([key, value], ["com/example/ns1", server]).map(({ zone }) => zone)).toEqual(["example.com"]);
  });

  test("may give away what is below SkyDNS's domain", () => {
    expect(read(["local/skydns/k8s/ns1", server]).map(({ zone }) => zone)).toEqual(["k8s.skydns.local"]);
  });

  test("never makes more than the bounds, nor a zone of ours, whatever keys there are", () => {
    const part = fc.constantFrom("local", "skydns", "consul", "com", "a", "b", "", " ");
    const key = fc.array(part, { maxLength: 5 }).map((parts) => parts.join("/"));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(key, fc.constantFrom(server, { host: "x" }, 1)), { maxLength: 20 }),
        (all) => {
          const zones = read(...all);
          expect(zones.length).toBeLessThanOrEqual(3);
          for (const { zone, servers } of zones) {
            expect(servers.length).toBeLessThanOrEqual(2);
            for (const name of ["web.service.consul", "web.skydns.local"])
              expect(`.${name}`.endsWith(`.${zone}`), zone).toBe(
                zone === "web.skydns.local" && name.startsWith("web.s"),
              );
          }
        },
      ),
    );
  });
});

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

async function start(more: Partial<DnsServerOptions> = {}) {
  const catalog = new MemoryCatalog();
  const server = dnsServer({
    listen: [{ address: parseIp("127.0.0.1"), port: 0 }],
    catalog,
    dialects: { skydns: "skydns.local", skydnsStubs: true },
    forward: { servers: [] },
    ...more,
  });
  stops.push(() => server.stop());
  const [endpoint] = await server.start();
  const port = endpoint?.port ?? 0;
  const ask = async (name: string, options: readonly EdnsOption[] = []) => {
    const query = {
      ...emptyMessage,
      id: 7,
      recursionDesired: true,
      questions: [{ name, type: typeNumbers.A, class: 1 }],
      edns: { udpBytes: 1232, version: 0, dnssecOk: false, options },
    };
    const reply = await exchangeUdp({ address: "127.0.0.1", port }, query, {
      timeoutMs: 5000,
      clock: systemClock,
    });
    return {
      ...reply,
      said: reply.answers.map(({ data }) => (data.kind === "A" ? data.address : data.kind)),
    };
  };
  return { catalog, ask, port, server };
}

/** Another name server, which knows `web.service.<domain>`. */
async function other(domain: string, ip: string) {
  const made = await start({ domains: [domain], dialects: {} });
  made.catalog.setService("web", [
    { node: "n1", nodeUp: true, nodeAddresses: [parseIp(ip)], port: 1, tags: [], status: "passing" },
  ]);
  return made;
}

const stub = (catalog: MemoryCatalog, path: string, port: number) =>
  catalog.setKey(`${under}/${path}`, JSON.stringify({ host: "127.0.0.1", port }));

describe("a server with stub zones", () => {
  test("asks their servers as keys come, change and go", async () => {
    const [first, second] = [await other("example.com", "10.0.0.1"), await other("example.com", "10.0.0.2")];
    const { catalog, ask } = await start();
    expect((await ask("web.service.example.com")).rcode).toBe(rcodes.SERVFAIL);
    stub(catalog, "com/example/ns1", first.port);
    await expect.poll(async () => (await ask("web.service.example.com")).said).toEqual(["10.0.0.1"]);
    stub(catalog, "com/example/ns1", second.port);
    await expect.poll(async () => (await ask("web.service.example.com")).said).toEqual(["10.0.0.2"]);
    expect((await ask("web.service.example.org")).rcode).toBe(rcodes.SERVFAIL);
    catalog.setKey(`${under}/com/example/ns1`, undefined);
    await expect.poll(async () => (await ask("web.service.example.com")).rcode).toBe(rcodes.SERVFAIL);
  });

  test("asks them before its own records, those of the fast path too, and no longer once they are gone", async () => {
    const elsewhere = await other("k8s.skydns.local", "10.0.0.3");
    const { catalog, ask } = await start();
    const name = "web.service.k8s.skydns.local";
    catalog.setKey("skydns/local/skydns/k8s/service/web", JSON.stringify({ host: "10.0.0.9" }));
    for (let i = 0; i < 3; i++) expect((await ask(name)).said).toEqual(["10.0.0.9"]);
    stub(catalog, "local/skydns/k8s/ns1", elsewhere.port);
    await expect.poll(async () => (await ask(name)).said).toEqual(["10.0.0.3"]);
    catalog.setKey(`${under}/local/skydns/k8s/ns1`, undefined);
    await expect.poll(async () => (await ask(name)).said).toEqual(["10.0.0.9"]);
  });

  test("does not forward what another stub sent, nor goes round in a circle", async () => {
    const [one, two] = [await start(), await start()];
    stub(one.catalog, "com/example/ns1", two.port);
    stub(two.catalog, "com/example/ns1", one.port);
    const marked = [{ code: 65_011, data: Uint8Array.of(1) }];
    for (const { ask } of [one, two])
      await expect.poll(async () => (await ask("x.example.com", marked)).rcode).toBe(rcodes.REFUSED);
    const asked = () => [one, two].map(({ server }) => server.stats().forward.asked);
    expect(asked()).toEqual([0, 0]);
    expect((await one.ask("x.example.com")).rcode).toBe(rcodes.REFUSED);
    expect(asked()).toEqual([1, 0]);
  });

  test("refuses strangers, and without the option keys mean nothing", async () => {
    const elsewhere = await other("example.com", "10.0.0.1");
    const closed = await start({ forward: { servers: [], allowed: () => false } });
    stub(closed.catalog, "com/example/ns1", elsewhere.port);
    const plain = await start({ dialects: { skydns: "skydns.local" } });
    stub(plain.catalog, "com/example/ns1", elsewhere.port);
    expect((await closed.ask("web.service.example.com")).rcode).toBe(rcodes.REFUSED);
    expect((await plain.ask("web.service.example.com")).rcode).toBe(rcodes.SERVFAIL);
    expect(() => dnsServer({ listen: [], catalog: plain.catalog, dialects: { skydnsStubs: true } })).toThrow(
      "needs SkyDNS's dialect",
    );
  });
});

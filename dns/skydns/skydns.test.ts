/** SkyDNS's names and records, as its README and CoreDNS's etcd plugin have them. */
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { type Ip, parseIp, reverseName } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { keyMatches, skyDnsName, skyDnsPath } from "../names/index.ts";
import { MemoryCatalog, Resolver } from "../resolver/index.ts";
import { type DnsRecord, emptyMessage, encodeMessage, rcodes, typeNumber } from "../wire/index.ts";
import { SkyDnsDialect } from "./index.ts";
import { oneGroup, parseSkyRecord } from "./sky-record.ts";

let catalog: MemoryCatalog;
let resolver: Resolver;

beforeEach(() => {
  catalog = new MemoryCatalog();
  resolver = new Resolver({
    catalog,
    domains: ["consul"],
    dialects: [new SkyDnsDialect("skydns.local")],
    datacenter: "dc1",
    nameserverAddresses: () => [parseIp("127.0.0.1")],
    reversePools: () => [],
    whereIs: () => undefined,
    networksOf: () => [],
    ttl: { nodeSeconds: 0, serviceSeconds: {}, negativeSeconds: 5 },
    health: { onlyPassing: false, panicThreshold: 0 },
    subset: { instancesMax: 0, node: "n0" },
    clock: new ManualClock(),
    random: () => 0,
  });
});

const put = (path: string, record: object) =>
  catalog.setKey(`skydns/local/skydns/${path}`, JSON.stringify(record));

async function ask(name: string, type: string) {
  const result = await resolver.resolve({ name, type: typeNumber(type) ?? 0, class: 1 });
  if (!result) throw new Error(`${name} is not ours`);
  return result;
}

const said = (records: readonly DnsRecord[]) =>
  records.map(({ data }) => {
    if (data.kind === "A" || data.kind === "AAAA") return data.address;
    if (data.kind === "SRV") return `${data.priority} ${data.weight} ${data.port} ${data.target}`;
    if (data.kind === "MX") return `${data.preference} ${data.exchange}`;
    if (data.kind === "TXT") return data.texts.join("");
    return "target" in data ? data.target : data.kind;
  });

/** The example of SkyDNS's README. */
function rails() {
  put("production/east/rails/1", { host: "10.0.1.1", port: 8080 });
  put("production/east/rails/2", { host: "10.0.1.2", port: 8080 });
  put("production/west/rails/1", { host: "10.0.2.1", port: 8080, priority: 20, weight: 30 });
  put("staging/east/rails/1", { host: "10.0.3.1", port: 8080 });
}

describe("names", () => {
  test.each([
    ["1.web.skydns.local", "skydns/local/skydns/web/1", false],
    ["*.skydns.local", "skydns/local/skydns", true],
    ["1.any.prod.skydns.local", "skydns/local/skydns/prod", true],
    ["skydns.local", "skydns/local/skydns", false],
  ])("%s lies at %s", (name, path, isWild) => {
    expect(skyDnsPath(name.split("."))).toMatchObject({ path, isWild });
  });

  test("the name of a key lies at that key, and matches it and all below", () => {
    const label = fc.stringMatching(/^[a-z0-9_-]{1,8}$/).filter((text) => text !== "any");
    fc.assert(
      fc.property(
        fc.array(label, { minLength: 1, maxLength: 6 }),
        fc.array(label, { maxLength: 3 }),
        (parts, more) => {
          const key = ["skydns", ...parts].join("/");
          const path = skyDnsPath((skyDnsName(key) ?? "").split("."));
          expect(path.path).toBe(key);
          expect(keyMatches([key, ...more].join("/"), path)).toBe(true);
          expect(keyMatches(["skydns", ...parts.slice(1)].join("/"), path)).toBe(false);
        },
      ),
    );
  });
});

describe("a record", () => {
  test("anything in a value is a record within its bounds, or none", () => {
    const field = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.double());
    const names = [
      "host",
      "Host",
      "port",
      "PORT",
      "priority",
      "weight",
      "text",
      "ttl",
      "mail",
      "targetstrip",
      "group",
    ];
    const value = fc.oneof(
      fc.json(),
      fc.string(),
      fc.dictionary(fc.constantFrom(...names), field).map((each) => JSON.stringify(each)),
    );
    fc.assert(
      fc.property(value, (text) => {
        const record = parseSkyRecord("skydns/a", text);
        if (!record) return;
        for (const number of [record.port, record.priority, record.weight])
          expect(number).toBeLessThanOrEqual(0xffff);
        expect(record.priority).toBeGreaterThan(0);
        expect(record.ttlSeconds).toBeGreaterThan(0);
      }),
      { numRuns: 500 },
    );
  });

  test("groups: that of the shortest key counts, and a disagreement there gives all", () => {
    const of = (key: string, group: string) => parseSkyRecord(key, JSON.stringify({ host: "h", group }));
    const keys = (records: readonly ReturnType<typeof of>[]) =>
      oneGroup(records.flatMap((each) => each ?? [])).map(({ key }) => key);
    expect(keys([of("s/a/1", "g1"), of("s/a/b/1", "g2"), of("s/a/b/2", "g1"), of("s/a/2", "")])).toEqual([
      "s/a/1",
      "s/a/b/2",
      "s/a/2",
    ]);
    expect(keys([of("s/1", "g1"), of("s/2", "g2")])).toEqual(["s/1", "s/2"]);
    expect(keys([of("s/1", ""), of("s/a/2", "g2")])).toEqual(["s/1", "s/a/2"]);
  });
});

describe("answers", () => {
  test("a name answers with the whole subtree", async () => {
    rails();
    expect(said((await ask("production.skydns.local", "A")).answers)).toEqual([
      "10.0.1.1",
      "10.0.1.2",
      "10.0.2.1",
    ]);
    expect(said((await ask("rails.east.production.skydns.local", "A")).answers)).toEqual([
      "10.0.1.1",
      "10.0.1.2",
    ]);
    expect(said((await ask("1.rails.west.production.skydns.local", "A")).answers)).toEqual(["10.0.2.1"]);
  });

  test("* and any stand for one label each", async () => {
    rails();
    expect(said((await ask("rails.*.production.skydns.local", "A")).answers)).toHaveLength(3);
    expect(said((await ask("1.rails.any.any.skydns.local", "A")).answers)).toEqual([
      "10.0.1.1",
      "10.0.2.1",
      "10.0.3.1",
    ]);
    expect((await ask("2.rails.west.*.skydns.local", "A")).rcode).toBe(rcodes.NXDOMAIN);
  });

  test("SRV: weights are parts of 100 within a priority, targets are names of keys with their addresses", async () => {
    rails();
    const { answers, additionals } = await ask("production.skydns.local", "SRV");
    expect(said(answers)).toEqual([
      "10 50 8080 1.rails.east.production.skydns.local",
      "10 50 8080 2.rails.east.production.skydns.local",
      "20 100 8080 1.rails.west.production.skydns.local",
    ]);
    expect(said(additionals)).toEqual(["10.0.1.1", "10.0.1.2", "10.0.2.1"]);
    for (const { name } of additionals) expect((await ask(name, "A")).answers).toHaveLength(1);
  });

  test("targetstrip shortens the target", async () => {
    put("db/x1", { host: "10.0.0.1", port: 5432, targetstrip: 1 });
    expect(said((await ask("db.skydns.local", "SRV")).answers)).toEqual(["10 100 5432 db.skydns.local"]);
  });

  test("a host that is a name is the target, with its addresses where it is ours, and a CNAME for addresses", async () => {
    rails();
    put("www/1", { host: "2.rails.east.production.skydns.local", port: 80 });
    const srv = await ask("www.skydns.local", "SRV");
    expect(said(srv.answers)).toEqual(["10 100 80 2.rails.east.production.skydns.local"]);
    expect(said(srv.additionals)).toEqual(["10.0.1.2"]);
    expect(srv.dependsOn).toContain("keys/skydns/local/skydns/production/east/rails/2");
    expect(said((await ask("www.skydns.local", "A")).answers)).toEqual([
      "2.rails.east.production.skydns.local",
      "10.0.1.2",
    ]);
    put("out/1", { host: "example.com" });
    expect(await ask("out.skydns.local", "A")).toMatchObject({ chase: "example.com" });
    expect(said((await ask("1.out.skydns.local", "CNAME")).answers)).toEqual(["example.com"]);
    expect(await ask("out.skydns.local", "CNAME")).toMatchObject({ rcode: rcodes.NOERROR, answers: [] });
  });

  test("a ring of names ends", async () => {
    put("a", { host: "b.skydns.local" });
    put("b", { host: "a.skydns.local" });
    put("self/x", { host: "self.skydns.local" });
    expect((await ask("a.skydns.local", "A")).answers.length).toBeLessThanOrEqual(4);
    expect((await ask("a.skydns.local", "SRV")).answers).toHaveLength(1);
    expect((await ask("self.skydns.local", "A")).answers).toEqual([]);
  });

  test("MX and TXT come from `mail` and `text`", async () => {
    put("mail/1", { host: "10.0.0.9", mail: true, priority: 5 });
    put("mail/2", { host: "10.0.0.8", text: "a".repeat(300) });
    const mx = await ask("mail.skydns.local", "MX");
    expect([said(mx.answers), said(mx.additionals)]).toEqual([["5 1.mail.skydns.local"], ["10.0.0.9"]]);
    expect(said((await ask("mail.skydns.local", "TXT")).answers)).toEqual(["a".repeat(300)]);
  });

  test("all records of an answer have the smallest TTL; 300 where none is said", async () => {
    put("t/1", { host: "10.0.0.1", ttl: 60 });
    put("t/2", { host: "10.0.0.2" });
    expect((await ask("t.skydns.local", "A")).answers.map(({ ttlSeconds }) => ttlSeconds)).toEqual([60, 60]);
    expect((await ask("2.t.skydns.local", "A")).answers[0]?.ttlSeconds).toBe(300);
  });

  test("groups keep answers apart", async () => {
    put("g/1", { host: "10.0.0.1", group: "g1" });
    put("g/sub/1", { host: "10.0.0.2", group: "g1" });
    put("g/sub/2", { host: "10.0.0.3", group: "g2" });
    expect(said((await ask("g.skydns.local", "A")).answers)).toEqual(["10.0.0.1", "10.0.0.2"]);
  });

  test("a key that is no record is passed over, as are folders; a name with neither does not exist", async () => {
    rails();
    catalog.setKey("skydns/local/skydns/production/", "");
    catalog.setKey("skydns/local/skydns/production/east/rails/3", "{broken");
    catalog.setKey("skydns/local/skydns/empty/", "");
    expect((await ask("production.skydns.local", "A")).answers).toHaveLength(3);
    expect(await ask("empty.skydns.local", "A")).toMatchObject({ rcode: rcodes.NOERROR, answers: [] });
    const none = await ask("nobody.skydns.local", "A");
    expect([none.rcode, said(none.authorities)]).toEqual([rcodes.NXDOMAIN, ["SOA"]]);
    expect(await ask("production.skydns.local", "AAAA")).toMatchObject({
      rcode: rcodes.NOERROR,
      answers: [],
    });
    expect((await ask("prod.skydns.local", "A")).rcode).toBe(rcodes.NXDOMAIN);
  });

  test("the apex has SOA and NS, those of the keys if there are any, and addresses of apex.dns", async () => {
    expect(said((await ask("skydns.local", "SOA")).answers)).toEqual(["SOA"]);
    expect(said((await ask("skydns.local", "NS")).answers)).toEqual(["ns.skydns.local"]);
    expect(said((await ask("ns.skydns.local", "A")).answers)).toEqual(["127.0.0.1"]);
    expect(await ask("skydns.local", "A")).toMatchObject({ rcode: rcodes.NOERROR, answers: [] });
    rails();
    expect((await ask("skydns.local", "A")).answers).toHaveLength(4);
    put("dns/ns/ns1", { host: "10.0.9.1" });
    put("dns/apex/1", { host: "10.0.9.2" });
    const ns = await ask("skydns.local", "NS");
    expect([said(ns.answers), said(ns.additionals)]).toEqual([["ns1.ns.dns.skydns.local"], ["10.0.9.1"]]);
    expect(said((await ask("skydns.local", "A")).answers)).toEqual(["10.0.9.2"]);
  });

  test("reverse names may be written down, and join what the catalog knows", async () => {
    const ip: Ip = parseIp("10.0.1.1");
    catalog.setKey("skydns/arpa/in-addr/10/0/1/1", JSON.stringify({ host: "web.example.com", ttl: 7 }));
    const ptr = async () => {
      const { answers } = await ask(reverseName(ip), "PTR");
      return [said(answers), answers[0]?.ttlSeconds];
    };
    expect(await ptr()).toEqual([["web.example.com"], 7]);
    catalog.setReverse(ip, [{ kind: "node", name: "n1", datacenter: "dc1" }]);
    expect(await ptr()).toEqual([["n1.node.dc1.consul", "web.example.com"], 0]);
  });

  test("too many keys are an error, never a part that looks like all", async () => {
    catalog.keys = () => ({ values: new Map(), complete: false });
    await expect(ask("skydns.local", "A")).rejects.toThrow(
      expect.objectContaining({ code: "DNS_SUBTREE_TOO_LARGE" }),
    );
  });

  test("whatever keys and values there are, every answer can be written and is of the type asked for", async () => {
    const part = fc.oneof(fc.constantFrom("a", "b", "dns", "ns", "any", "*"), fc.string({ maxLength: 8 }));
    const value = fc.oneof(
      fc.record(
        {
          host: fc.oneof(
            fc.constantFrom("10.0.0.1", "fd00::1", "a.skydns.local", "x.example", ""),
            fc.string(),
          ),
          text: fc.string({ unit: "grapheme" }),
          priority: fc.nat(70_000),
          weight: fc.nat(70_000),
          targetstrip: fc.nat(9),
          mail: fc.boolean(),
        },
        { requiredKeys: [] },
      ),
      fc.anything(),
    );
    const types = ["A", "AAAA", "SRV", "MX", "TXT", "CNAME", "NS", "SOA", "ANY", "PTR"] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.array(part, { minLength: 1, maxLength: 3 }), value), { maxLength: 12 }),
        fc.constantFrom(...types),
        fc.constantFrom("", "a.", "b.a.", "*.", "any.a."),
        async (keys, type, left) => {
          for (const [parts, what] of keys)
            catalog.setKey(`skydns/local/skydns/${parts.join("/")}`, JSON.stringify(what) ?? "");
          const { answers, authorities, additionals } = await ask(`${left}skydns.local`, type);
          encodeMessage({ ...emptyMessage, answers, authorities, additionals });
          for (const [parts] of keys) catalog.setKey(`skydns/local/skydns/${parts.join("/")}`, undefined);
          const expected = type === "ANY" ? ["A", "AAAA", "CNAME"] : [type, "CNAME"];
          expect(answers.filter(({ data }) => !expected.includes(data.kind))).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** Explanations say what is answered, and why. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, parseIp } from "../../addr/index.ts";
import { type DnsServerOptions, dnsServer, MemoryCatalog, type ServiceInstance } from "../index.ts";
import { typeNumber } from "../wire/index.ts";
import type { ExplainQuestion } from "./index.ts";

const address = (n: number): Ip => parseIp(`10.0.0.${n}`);
const instance = (n: number, more: Partial<ServiceInstance> = {}): ServiceInstance => ({
  node: `n${n}`,
  id: "web",
  nodeUp: true,
  nodeAddresses: [address(n)],
  port: 80,
  tags: [],
  status: "passing",
  ...more,
});

function world(more: Partial<DnsServerOptions> = {}) {
  const catalog = new MemoryCatalog();
  const server = dnsServer({
    catalog,
    listen: [{ address: parseIp("127.0.0.1"), port: 0 }],
    dialects: { skydns: "skydns.local", mesos: "mesos" },
    ...more,
  });
  const explain = (name: string, type = "A", asked: Partial<ExplainQuestion> = {}) =>
    server.explain({
      name,
      type: typeNumber(type) ?? 0,
      client: parseIp("127.0.0.1"),
      transport: "udp",
      ednsBytes: 1232,
      ...asked,
    });
  return { catalog, explain };
}

describe("instances", () => {
  test("those that it says are named are those in the answer, whatever state they are in", async () => {
    const state = fc.record({
      status: fc.constantFrom("passing" as const, "warning" as const, "critical" as const),
      nodeUp: fc.boolean(),
      maintenance: fc.boolean(),
      damped: fc.boolean(),
      tags: fc.subarray(["v1"]),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(state, { maxLength: 10 }),
        fc.constantFrom(0, 0.5),
        fc.constantFrom(0, 2),
        fc.constantFrom("web.service.consul", "v1.web.service.consul", "web.marathon.mesos"),
        async (states, panicThreshold, instancesMax, name) => {
          const { catalog, explain } = world({ health: { panicThreshold }, subset: { instancesMax } });
          catalog.setService(
            "web",
            states.map((each, i) => instance(i, each)),
          );
          const { choices, reply } = await explain(name);
          const named = choices
            .flatMap(({ instances }) => instances)
            .filter(({ verdict }) => verdict === "named" || verdict === "panic");
          expect(reply.answers.toSorted()).toEqual(
            named.map((each) => `${name}. 0 IN A ${each.address}`).toSorted(),
          );
          expect(choices[0]?.instances).toHaveLength(states.length);
        },
      ),
      { numRuns: 200 },
    );
  });

  test("each says why it is left out, with the checks that do not pass", async () => {
    const { catalog, explain } = world();
    const failing = [{ id: "http", name: "Web answers", status: "critical" as const }];
    catalog.setService("web", [
      instance(1, { status: "critical", failing }),
      instance(2, { nodeUp: false }),
      instance(3, { maintenance: true, status: "critical" }),
      instance(4, { damped: true }),
    ]);
    const { choices, reply, lookups } = await explain("web.service.consul");
    expect(choices[0]?.instances.map(({ node, verdict }) => [node, verdict])).toEqual([
      ["n1", "critical"],
      ["n2", "node-down"],
      ["n3", "maintenance"],
      ["n4", "damped"],
    ]);
    expect(choices[0]?.instances[0]?.failing).toEqual(failing);
    expect(reply).toMatchObject({ rcode: "NXDOMAIN", outcome: "nxdomain" });
    expect(reply.meaning).toContain("none may be named (1 critical, 1 node-down, 1 maintenance, 1 damped)");
    expect(lookups).toMatchObject([{ source: "service/web", found: 4 }]);
  });
});

describe("the kinds of no", () => {
  test("NXDOMAIN, NODATA, SERVFAIL and REFUSED are told apart in words", async () => {
    const { catalog, explain } = world();
    catalog.setService("web", [instance(1)]);
    expect((await explain("web.service.consul", "MX")).reply).toMatchObject({
      outcome: "nodata",
      meaning: "the name exists, but has no MX record (NODATA)",
    });
    expect((await explain("db.service.consul")).reply.meaning).toBe(
      "there is no such name: nothing is known of service/db",
    );
    expect((await explain("a.b.c.d.consul")).reply.meaning).toContain("nothing can be called so");
    expect(await explain("example.com")).toMatchObject({
      parsed: { dialect: "none" },
      path: { kind: "refused" },
      reply: { outcome: "refused" },
    });
    Object.assign(catalog, { service: () => Promise.reject(new Error("the server is away")) });
    const failed = await explain("web.service.consul");
    expect(failed).toMatchObject({ path: { kind: "failed" }, reply: { outcome: "servfail" } });
    expect(failed.reply.meaning).toContain("the server is away");
    expect(failed.lookups[0]?.found).toBeUndefined();
  });
});

describe("names", () => {
  test.each([
    ["v1.web.service.consul", { dialect: "consul", kind: "service", parts: { name: "web", tag: "v1" } }],
    [
      "1.web.skydns.local",
      { dialect: "skydns", kind: "subtree", parts: { path: "skydns/local/skydns/web/1" } },
    ],
    [
      "_web._tcp.prod.mesos",
      { dialect: "mesos", kind: "service", parts: { task: "web", framework: "prod" } },
    ],
    ["1.0.0.10.in-addr.arpa", { dialect: "reverse", kind: "address", parts: { ip: "10.0.0.1" } }],
    ["example.com", { dialect: "none", kind: "foreign" }],
  ])("%s is understood", async (name, parsed) => {
    expect((await world().explain(name)).parsed).toMatchObject(parsed);
  });
});

describe("size", () => {
  test("says what fits the client, by EDNS, without it, and by TCP", async () => {
    const { catalog, explain } = world();
    catalog.setService(
      "web",
      Array.from({ length: 100 }, (_, i) => instance(i)),
    );
    const sizes = async (asked: Partial<ExplainQuestion>) =>
      (await explain("web.service.consul", "A", asked)).size;
    expect(await sizes({ ednsBytes: 0 })).toMatchObject({ limitBytes: 512, truncated: true, answers: 100 });
    expect(await sizes({ ednsBytes: 4096 })).toMatchObject({ limitBytes: 1232, truncated: true });
    expect(await sizes({ ednsBytes: 800 })).toMatchObject({
      limitBytes: 800,
      limitReason: "what the client says that it takes",
    });
    expect(await sizes({ transport: "tcp" })).toMatchObject({ truncated: false, answersSent: 100 });
    const small = await sizes({ ednsBytes: 0 });
    expect(small.answersSent).toBeLessThan(30);
    expect(small.wholeBytes).toBeGreaterThan(1232);
  });
});

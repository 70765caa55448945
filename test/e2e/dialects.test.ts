/** Names of other grammars than Consul's, on two hosts: written by HTTP on one, asked by dig on the other. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Host } from "../lab/host.ts";
import { Stage } from "../lab/stage.ts";

let stage: Stage;
let [h1, h2]: [Host, Host] = [] as never;

beforeAll(async () => {
  const agent = ({ name }: Host) => (name === "plain" ? [] : ["--dialect", "skydns", "mesos"]);
  stage = await Stage.open({ hosts: { h1: 1, h2: 2, plain: 1 }, agent, server: ["--dialect", "mesos"] });
  [h1, h2] = [stage.host("h1"), stage.host("h2")];
});
afterAll(() => stage?.dispose());

const put = async (path: string, record: object) => {
  const { status } = await stage.http(h1, "PUT", `/v1/kv/skydns/${path}`, record);
  expect(status).toBe(200);
};

describe("SkyDNS", () => {
  it("answers on every host what was written on one, and follows each write", async () => {
    await put("local/skydns/prod/web/1", { host: "10.1.0.1", port: 8080 });
    await put("local/skydns/prod/web/2", { host: "10.1.0.2", port: 8080, priority: 20 });
    await stage.resolves("web.prod.skydns.local", ["10.1.0.1", "10.1.0.2"], [h1, h2]);
    expect(stage.dig(h2, "web.*.skydns.local", "SRV")).toEqual([
      "10 100 8080 1.web.prod.skydns.local.",
      "20 100 8080 2.web.prod.skydns.local.",
    ]);
    await put("local/skydns/prod/web/2", { host: "10.1.0.3", port: 8080 });
    await stage.resolves("web.prod.skydns.local", ["10.1.0.1", "10.1.0.3"], [h1, h2]);
    await stage.http(h1, "DELETE", "/v1/kv/skydns/local/skydns/prod?recurse");
    await stage.resolves("web.prod.skydns.local", [], [h1, h2]);
    expect(stage.digWhole(h2, "web.prod.skydns.local").stdout).toContain("status: NXDOMAIN");
  });

  it("answers reverse names that were written down", async () => {
    await put("arpa/in-addr/10/1/0/9", { host: "nine.example.com" });
    expect(stage.dig(h2, "-x", "10.1.0.9")).toEqual(["nine.example.com."]);
  });

  it("is off unless it was switched on", async () => {
    await put("local/skydns/solo", { host: "10.1.0.4" });
    await stage.resolves("solo.skydns.local", ["10.1.0.4"], [h1]);
    expect(stage.dig(stage.host("plain"), "solo.skydns.local")).toEqual([]);
  });
});

describe("Mesos-DNS", () => {
  it("names instances as tasks, nodes as slaves and the server as leader, on every host", async () => {
    const task = { ID: "web-1", Name: "web", Port: 8080, Meta: { framework: "prod" } };
    await stage.registered(h1, task);
    await stage.resolves("web.prod.mesos", [h1.address], [h1, h2]);
    const [srv = ""] = stage.dig(h2, "_web._tcp.prod.mesos", "SRV");
    expect(srv).toMatch(/^0 1 8080 web-[0-9a-z]{7}-s[0-9a-z]{7}\.prod\.mesos\.$/);
    expect(stage.dig(h2, srv.split(" ")[3] ?? "")).toEqual([h1.address]);
    expect(stage.dig(h2, "leader.mesos")).toEqual([h1.address]);
    expect(stage.dig(h2, "h1.slave.mesos")).toEqual([h1.address]);
    expect(stage.dig(h2, "slave.mesos")).toEqual(stage.hosts.map(({ address }) => address).toSorted());
    expect(stage.digWhole(h2, "web.marathon.mesos").stdout).toContain("status: NXDOMAIN");
  });

  it("answers its HTTP interface by the server, through any agent", async () => {
    const get = async (path: string) => JSON.parse((await stage.http(h2, "GET", path)).body) as unknown;
    expect(await get("/v1/hosts/web.prod.mesos")).toContainEqual({ host: "web.prod.mesos.", ip: h1.address });
    expect(await get("/v1/services/_web._tcp.prod.mesos.")).toMatchObject([
      { service: "_web._tcp.prod.mesos.", ip: h1.address, port: "8080" },
    ]);
    expect(await get("/v1/enumerate")).toMatchObject({
      frameworks: [{ name: "prod", tasks: [{ name: "web" }] }],
    });
    expect(await get("/v1/config")).toMatchObject({ Domain: "mesos" });
    expect(await get("/v1/version")).toMatchObject({ Service: "Heddle" });
  });
});

describe("heddle explain", () => {
  it("tells on any host how a name was read, what was found and what is answered", async () => {
    await stage.registered(h1, { ID: "api-1", Name: "api", Port: 8080, Check: { Name: "ttl", TTL: "60s" } });
    await stage.registered(h2, { ID: "api-2", Name: "api", Port: 8080 });
    await stage.resolves("api.service.consul", [h2.address], [h1, h2]);
    expect(stage.fabric.ask(h2, "explain", "api.service.consul")).toMatchObject({
      parsed: { dialect: "consul", kind: "service", parts: { name: "api" } },
      lookups: [{ source: "service/api", found: 2, ageMs: expect.any(Number) as number }],
      choices: [
        {
          instances: [
            { id: "api-1", verdict: "critical", failing: [{ status: "critical" }] },
            { id: "api-2", verdict: "named", failing: [] },
          ],
        },
      ],
      reply: { outcome: "answer", answers: [`api.service.consul. 0 IN A ${h2.address}`] },
    });
    const absent = h1.tryRun(h1.heddle("explain", "nobody.prod.skydns.local", "SRV"));
    expect(absent.status).toBe(4);
    expect(absent.stdout).toContain(
      "NXDOMAIN: there is no such name: nothing is known of keys/skydns/local/skydns/prod/nobody",
    );
  });
});

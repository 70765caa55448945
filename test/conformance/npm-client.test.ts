/**
 * Consul's client from npm, unmodified, against a running node: every call that it has, each by the answer that
 * its users read. The last test holds that none was left out.
 */
import { once } from "node:events";
import Consul from "consul";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { http, OneNode } from "./one-node.ts";

/** The published types know less than the client does. */
// biome-ignore lint/suspicious/noExplicitAny: each call takes and answers something else
type Calls<Name extends string> = Record<Name, (...args: any[]) => Promise<any>>;
interface Client {
  readonly agent: Calls<
    "checks" | "services" | "members" | "reload" | "self" | "maintenance" | "join" | "forceLeave"
  > & {
    readonly check: Calls<"list" | "register" | "deregister" | "pass" | "warn" | "fail">;
    readonly service: Calls<"list" | "register" | "deregister" | "maintenance">;
  };
  readonly catalog: Calls<"datacenters" | "nodes" | "services" | "register" | "deregister"> & {
    readonly connect: Calls<"nodes">;
    readonly node: Calls<"list" | "services">;
    readonly service: Calls<"list" | "nodes">;
  };
  readonly acl: Calls<"bootstrap" | "replication"> & { readonly legacy: Calls<string> };
  readonly event: Calls<"fire" | "list">;
  readonly health: Calls<"service" | "checks" | "node" | "state">;
  readonly kv: Calls<"set" | "get" | "keys" | "del" | "delete">;
  readonly query: Calls<"create" | "get" | "list" | "update" | "execute" | "explain" | "destroy">;
  readonly session: Calls<"create" | "info" | "get" | "node" | "list" | "renew" | "destroy">;
  readonly status: Calls<"leader" | "peers">;
  readonly transaction: Calls<"create">;
}

const consul = new Consul(http);
const { agent, catalog, acl, event, health, kv, query, session, status, transaction } =
  consul as unknown as Client;
const sections: Readonly<Record<string, object>> = {
  agent,
  "agent.check": agent.check,
  "agent.service": agent.service,
  catalog,
  "catalog.connect": catalog.connect,
  "catalog.node": catalog.node,
  "catalog.service": catalog.service,
  acl,
  "acl.legacy": acl.legacy,
  event,
  health,
  kv,
  query,
  session,
  status,
  transaction,
};
/** Call → whether a test made it. */
const made = new Map<string, boolean>();

let node: OneNode;

beforeAll(async () => {
  node = await OneNode.start();
  for (const [section, calls] of Object.entries(sections)) noteCalls(section, calls as Calls<string>);
});
afterAll(() => node?.dispose());

function noteCalls(section: string, calls: Calls<string>): void {
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(calls))) {
    const call = calls[name];
    if (!call || name === "constructor" || name.startsWith("_")) continue;
    made.set(`${section}.${name}`, false);
    calls[name] = (...args) => {
      made.set(`${section}.${name}`, true);
      return call.apply(calls, args);
    };
  }
}

const uuid = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const index = expect.any(Number);

describe("agent", () => {
  it("self, members, reload", async () => {
    expect(await agent.self()).toMatchObject({
      Config: { Datacenter: "dc1", NodeName: "n1", NodeID: uuid, Server: true, Version: expect.any(String) },
      Member: { Name: "n1", Status: 1 },
    });
    expect(await agent.members()).toMatchObject([{ Name: "n1", Addr: expect.any(String), Status: 1 }]);
    expect(await agent.members({ wan: true })).toHaveLength(1);
    expect(await agent.reload()).toBeUndefined();
  });

  it("maintenance of the node is a critical check of it", async () => {
    await agent.maintenance({ enable: true, reason: "new disk" });
    expect(await agent.checks()).toMatchObject({
      _node_maintenance: { Status: "critical", Notes: "new disk", ServiceID: "" },
    });
    await agent.maintenance(false);
    expect(await agent.checks()).toEqual({});
  });

  it("join is refused; forceLeave of a living node changes nothing", async () => {
    await expect(agent.join("127.0.0.2")).rejects.toMatchObject({ statusCode: 501 });
    await agent.forceLeave("n1");
    expect(await agent.members()).toMatchObject([{ Name: "n1", Status: 1 }]);
  });

  it("service: register, list, maintenance, deregister", async () => {
    const { service } = agent;
    await service.register({
      id: "web-1",
      name: "web",
      tags: ["blue", "fast"],
      address: "10.0.0.1",
      port: 8080,
      meta: { version: "1" },
      checks: [{ ttl: "1m" }, { name: "second", ttl: "1m", status: "passing" }],
    });
    const listed = {
      "web-1": {
        ID: "web-1",
        Service: "web",
        Tags: ["blue", "fast"],
        Address: "10.0.0.1",
        Port: 8080,
        Meta: { version: "1" },
        Weights: { Passing: 1, Warning: 1 },
        EnableTagOverride: false,
      },
    };
    expect(await service.list()).toMatchObject(listed);
    expect(await agent.services()).toMatchObject(listed);
    expect(await agent.check.list()).toMatchObject({
      "service:web-1:1": { Status: "critical", ServiceID: "web-1", ServiceName: "web" },
      "service:web-1:2": { Status: "passing", Name: "second" },
    });
    await service.maintenance({ id: "web-1", enable: true, reason: "restart" });
    expect(await agent.check.list()).toMatchObject({
      "_service_maintenance:web-1": { Status: "critical", Notes: "restart" },
    });
    await service.maintenance({ id: "web-1", enable: false });
    await service.deregister("web-1");
    expect(await service.list()).toEqual({});
    await expect(service.deregister("web-1")).rejects.toMatchObject({ statusCode: 404 });
  });

  it("check: register, pass, warn, fail, deregister", async () => {
    const { check } = agent;
    await check.register({ id: "disk", name: "Disk", ttl: "1m", notes: "space left" });
    for (const [verb, state] of [
      ["pass", "passing"],
      ["warn", "warning"],
      ["fail", "critical"],
    ] as const) {
      await check[verb]?.({ id: "disk", note: verb });
      expect(await check.list()).toMatchObject({
        disk: { Node: "n1", Name: "Disk", Status: state, Output: verb, Notes: "space left", Type: "ttl" },
      });
    }
    await check.deregister("disk");
    await expect(check.pass("disk")).rejects.toMatchObject({ statusCode: 404 });
  });
});

describe("catalog", () => {
  it("register, node.list, service.list, service.nodes, node.services, deregister", async () => {
    await catalog.register({
      node: "outside",
      address: "192.0.2.1",
      service: { service: "db", id: "db-1", tags: ["primary"], port: 5432 },
      check: { node: "outside", checkid: "service:db-1", name: "db", serviceid: "db-1", status: "passing" },
    });
    expect(await catalog.datacenters()).toEqual(["dc1"]);
    const nodes = [{ Node: "n1" }, { Node: "outside", Address: "192.0.2.1", Datacenter: "dc1" }];
    expect(await catalog.node.list()).toMatchObject(nodes);
    expect(await catalog.nodes("dc1")).toMatchObject(nodes);
    expect(await catalog.service.list()).toMatchObject({ db: ["primary"] });
    expect(await catalog.services()).toMatchObject({ db: ["primary"] });
    expect(await catalog.service.nodes({ service: "db", tag: "primary" })).toMatchObject([
      {
        Node: "outside",
        Address: "192.0.2.1",
        ServiceID: "db-1",
        ServiceName: "db",
        ServicePort: 5432,
        ServiceTags: ["primary"],
        CreateIndex: index,
        ModifyIndex: index,
      },
    ]);
    expect(await catalog.node.services("outside")).toMatchObject({
      Node: { Node: "outside" },
      Services: { "db-1": { Service: "db", Port: 5432 } },
    });
    expect(await health.service({ service: "db", passing: true })).toHaveLength(1);
    await catalog.deregister({ node: "outside", serviceid: "db-1" });
    expect(await catalog.service.nodes("db")).toEqual([]);
    await catalog.deregister("outside");
    expect(await catalog.node.list()).toMatchObject([{ Node: "n1" }]);
  });

  it("connect.nodes is empty: nothing is in a mesh", async () => {
    expect(await catalog.connect.nodes("db")).toEqual([]);
  });
});

describe("health", () => {
  it("service, checks, node, state", async () => {
    await agent.service.register({ name: "api", port: 1, check: { ttl: "1m" } });
    const ofService = { CheckID: "service:api", ServiceName: "api", Status: "critical" };
    expect(await health.service({ service: "api", passing: true })).toEqual([]);
    expect(await health.service("api")).toMatchObject([
      {
        Node: { Node: "n1", ID: uuid, Datacenter: "dc1" },
        Service: { ID: "api", Service: "api", Port: 1 },
        Checks: [{ CheckID: "serfHealth", Status: "passing" }, ofService],
      },
    ]);
    expect(await health.checks("api")).toMatchObject([ofService]);
    expect(await health.node("n1")).toMatchObject([{ CheckID: "serfHealth" }, ofService]);
    expect(await health.state("critical")).toMatchObject([ofService]);
    expect(await health.state("any")).toHaveLength(2);
    await agent.service.deregister("api");
  });
});

describe("kv", () => {
  it("set, get, keys, del, delete; a missing key is undefined, missing keys are an error", async () => {
    expect(await kv.set("app/a", "1")).toBe(true);
    expect(await kv.set({ key: "app/b", value: Buffer.from([0, 255]), flags: 7 })).toBe(true);
    expect(await kv.get("app/a")).toEqual({
      Key: "app/a",
      Value: "1",
      Flags: 0,
      LockIndex: 0,
      CreateIndex: index,
      ModifyIndex: index,
    });
    expect(await kv.get({ key: "app/b", buffer: true })).toMatchObject({ Value: Buffer.from([0, 255]) });
    expect(await kv.get({ key: "app/b", raw: true })).toEqual(Buffer.from([0, 255]));
    expect(await kv.get({ key: "app/", recurse: true })).toMatchObject([{ Flags: 0 }, { Flags: 7 }]);
    expect(await kv.keys("app/")).toEqual(["app/a", "app/b"]);
    expect(await kv.keys({ key: "", separator: "/" })).toEqual(["app/"]);
    expect(await kv.del("app/a")).toBe(true);
    expect(await kv.delete({ key: "app/", recurse: true })).toBe(true);
    expect(await kv.get("app/a")).toBeUndefined();
    await expect(kv.keys("app/")).rejects.toMatchObject({ statusCode: 404 });
  });

  /** The client hands a `false` on as undefined. */
  it("compare-and-set, acquire and release", async () => {
    expect(await kv.set({ key: "cas", value: "1", cas: "0" })).toBe(true);
    expect((await kv.set({ key: "cas", value: "2", cas: "0" })) ?? false).toBe(false);
    const { ID: first } = await session.create({ lockdelay: "0s" });
    const { ID: second } = await session.create({ lockdelay: "0s" });
    expect(await kv.set({ key: "lock", value: "x", acquire: first })).toBe(true);
    expect((await kv.set({ key: "lock", value: "y", acquire: second })) ?? false).toBe(false);
    expect(await kv.get("lock")).toMatchObject({ Session: first, LockIndex: 1 });
    expect(await kv.set({ key: "lock", value: "z", release: first })).toBe(true);
    for (const id of [first, second]) await session.destroy(id);
    await kv.del("lock");
    await kv.del("cas");
  });
});

describe("session", () => {
  it("create, info, get, node, list, renew, destroy", async () => {
    const { ID: id } = await session.create({
      name: "mine",
      ttl: "15s",
      lockdelay: "5s",
      behavior: "delete",
      checks: ["serfHealth"],
    });
    expect(id).toEqual(uuid);
    const shown = { ID: id, Name: "mine", Node: "n1", TTL: "15s", Behavior: "delete", LockDelay: 5e9 };
    expect(await session.info(id)).toMatchObject(shown);
    expect(await session.get(id)).toMatchObject(shown);
    expect(await session.node("n1")).toMatchObject([shown]);
    expect(await session.list()).toMatchObject([shown]);
    expect(await session.renew(id)).toMatchObject([shown]);
    await session.destroy(id);
    expect(await session.info(id)).toBeUndefined();
    await expect(session.renew(id)).rejects.toMatchObject({ statusCode: 404 });
  });
});

describe("transaction", () => {
  it("is done whole, and not at all when one operation cannot be", async () => {
    const value = Buffer.from("v").toString("base64");
    expect(
      await transaction.create([
        { KV: { Verb: "set", Key: "t/1", Value: value } },
        { KV: { Verb: "get", Key: "t/1" } },
      ]),
    ).toMatchObject({ Results: [{ KV: { Key: "t/1" } }, { KV: { Value: value } }], Errors: null });
    await expect(
      transaction.create([
        { KV: { Verb: "set", Key: "t/2", Value: value } },
        { KV: { Verb: "check-index", Key: "t/1", Index: 1 } },
      ]),
    ).rejects.toMatchObject({ statusCode: 409, response: { body: { Errors: [{ OpIndex: 1 }] } } });
    expect(await kv.get("t/2")).toBeUndefined();
    await kv.del({ key: "t/", recurse: true });
  });
});

describe("event", () => {
  it("fire and list", async () => {
    const fired = await event.fire({ name: "deploy", payload: "v2", service: "web", tag: "blue" });
    expect(fired).toMatchObject({ ID: uuid, Name: "deploy", ServiceFilter: "web", TagFilter: "blue" });
    expect(await event.list("deploy")).toMatchObject([{ ID: fired.ID, Payload: "v2" }]);
    expect(await event.list("other")).toEqual([]);
  });
});

describe("query", () => {
  it("create, get, list, update, execute, explain, destroy", async () => {
    await agent.service.register({ name: "shop", port: 80 });
    const { ID: id } = await query.create({
      name: "shop-query",
      service: { service: "shop", onlypassing: true },
      dns: { ttl: "10s" },
    });
    const shown = { ID: id, Name: "shop-query", Service: { Service: "shop", OnlyPassing: true } };
    expect(await query.get(id)).toMatchObject(shown);
    expect(await query.list()).toMatchObject([shown]);
    await query.update({
      query: id,
      name: "shop-query",
      service: { service: "shop" },
      dns: { ttl: "20s" },
    });
    expect(await query.execute("shop-query")).toMatchObject({
      Service: "shop",
      Nodes: [{ Service: { Port: 80 } }],
      DNS: { TTL: "20s" },
      Datacenter: "dc1",
      Failovers: 0,
    });
    // Consul answers an object where the client expects a list.
    expect(await query.explain("shop-query")).toBeUndefined();
    await query.destroy(id);
    await expect(query.get(id)).rejects.toMatchObject({ statusCode: 404 });
    await agent.service.deregister("shop");
  });
});

it("status: leader and peers", async () => {
  const leader = await status.leader();
  expect(leader).toMatch(/:8300$/);
  expect(await status.peers()).toEqual([leader]);
});

describe("acl", () => {
  it.each([["bootstrap"], ["replication"]] as const)(
    "%s: there are no access lists, in Consul's words",
    async (name) => {
      await expect(acl[name]()).rejects.toMatchObject({
        statusCode: 401,
        response: { body: "ACL support disabled" },
      });
    },
  );

  it.each([
    ["create", {}],
    ["update", { id: "x" }],
    ["destroy", { id: "x" }],
    ["info", { id: "x" }],
    ["get", { id: "x" }],
    ["clone", { id: "x" }],
    ["list", {}],
  ])("legacy.%s", async (name, options) => {
    await expect(acl.legacy[name]?.(options)).rejects.toMatchObject({ statusCode: 401 });
  });
});

describe("watch", () => {
  it("tells each change of what it follows, and ends when told", async () => {
    const watch = consul.watch({ method: consul.kv.get.bind(consul.kv), options: { key: "watched" } });
    const [absent] = await once(watch, "change");
    const next = once(watch, "change");
    await kv.set("other", "x");
    await kv.set("watched", "new");
    const [present] = await next;
    expect([absent, present]).toEqual([undefined, expect.objectContaining({ Value: "new" })]);
    expect(watch.isRunning()).toBe(true);
    expect(watch.updateTime()).toEqual(expect.any(Number));
    watch.end();
    expect(watch.isRunning()).toBe(false);
  });

  it("ends at an answer of 400", async () => {
    const options = { service: "web", filter: "not an expression" };
    const watch = consul.watch({
      method: consul.health.service.bind(consul.health),
      options: options as never,
    });
    const [error] = await once(watch, "error");
    expect(error).toMatchObject({ statusCode: 400 });
    expect(watch.isRunning()).toBe(false);
  });
});

it("no call of the client was left out", () => {
  expect([...made].filter(([, called]) => !called).map(([name]) => name)).toEqual([]);
  expect(made.size).toBeGreaterThan(60);
});

/** Consul's own npm client against a real listener: what it can read of us is what others can. */
import { describe, expect, onTestFinished, test } from "vitest";
import { startApi, until } from "../test/fixtures/api.ts";

describe("kv", () => {
  test("set, get, list, keys and delete", async () => {
    const { consul } = await startApi();
    expect(await consul.kv.set("a/1", "eins")).toBe(true);
    expect(await consul.kv.set({ key: "a/2", value: "zwei", flags: 7 })).toBe(true);
    expect(await consul.kv.get("a/2")).toMatchObject({ Key: "a/2", Value: "zwei", Flags: 7, LockIndex: 0 });
    expect(await consul.kv.get({ key: "a/", recurse: true })).toMatchObject([{ Key: "a/1" }, { Key: "a/2" }]);
    expect(await consul.kv.keys("a/")).toEqual(["a/1", "a/2"]);
    expect(await consul.kv.keys({ key: "", separator: "/" })).toEqual(["a/"]);
    expect(await consul.kv.get({ key: "a/1", raw: true })).toEqual(Buffer.from("eins"));
    await consul.kv.del({ key: "a/", recurse: true });
    expect(await consul.kv.get("a/1")).toBeUndefined();
    await expect(consul.kv.keys("a/")).rejects.toThrow("not found");
  });

  /** The client hands a `false` on as undefined. */
  test("compare-and-set", async () => {
    const { consul } = await startApi();
    expect(await consul.kv.set({ key: "lock", value: "1", cas: 0 })).toBe(true);
    expect(await consul.kv.set({ key: "lock", value: "2", cas: 0 })).toBeFalsy();
    const held = (await consul.kv.get("lock")) as { ModifyIndex: number };
    expect(await consul.kv.set({ key: "lock", value: "2", cas: held.ModifyIndex })).toBe(true);
    expect(await consul.kv.set({ key: "lock", value: "3", cas: held.ModifyIndex })).toBeFalsy();
  });

  test("keys of every kind come back as they were", async () => {
    const { consul } = await startApi();
    for (const key of ["ç", "a b", "a%2Fb", "a?b", "a#b", "a//b", "日本/語", "50%", "a+b", "a;b", ":x/*y"]) {
      expect(await consul.kv.set(key, key), key).toBe(true);
      expect(await consul.kv.get(key), key).toMatchObject({ Key: key, Value: key });
    }
  });
});

describe("agent", () => {
  test("a registered service is listed, healthy and gone after its end", async () => {
    const { consul } = await startApi();
    await consul.agent.service.register({
      name: "web",
      id: "web-1",
      tags: ["a", "b"],
      port: 8080,
      address: "10.0.0.1",
      meta: { version: "1" },
      check: { ttl: "10s" },
    } as never);
    expect(await consul.agent.service.list()).toMatchObject({
      "web-1": { Service: "web", Port: 8080, Tags: ["a", "b"] },
    });
    expect(await consul.agent.check.list()).toMatchObject({
      "service:web-1": { Status: "critical", Type: "ttl" },
    });
    expect(await consul.health.service({ service: "web", passing: true })).toEqual([]);
    await consul.agent.check.pass("service:web-1");
    const [entry] = (await consul.health.service({ service: "web", passing: true })) as unknown[];
    expect(entry).toMatchObject({
      Node: {
        Node: "n1",
        Address: "127.0.0.1",
        Datacenter: "dc1",
        ID: expect.stringMatching(/^[0-9a-f-]{36}$/),
      },
      Service: {
        ID: "web-1",
        Service: "web",
        Address: "10.0.0.1",
        Meta: { version: "1" },
        Weights: { Passing: 1 },
      },
      Checks: [
        { CheckID: "serfHealth", Status: "passing" },
        { CheckID: "service:web-1", Status: "passing" },
      ],
    });
    await consul.agent.check.fail({ id: "service:web-1", note: "broken" });
    expect(await consul.health.checks("web")).toMatchObject([{ Status: "critical", Output: "broken" }]);
    await consul.agent.service.deregister("web-1");
    expect(await consul.health.service("web")).toEqual([]);
    expect(await consul.agent.check.list()).toEqual({});
  });

  test("checks of the node", async () => {
    const { consul } = await startApi();
    await consul.agent.check.register({ name: "disk", ttl: "1m", notes: "space left" } as never);
    await consul.agent.check.warn({ id: "disk", note: "90 %" });
    expect(await consul.health.node("n1")).toMatchObject([
      { CheckID: "serfHealth" },
      { CheckID: "disk", Status: "warning", Output: "90 %", Notes: "space left" },
    ]);
    expect(await consul.health.state("warning")).toHaveLength(1);
    await consul.agent.check.deregister("disk");
    expect(await consul.health.node("n1")).toHaveLength(1);
  });

  test("self and members", async () => {
    const { consul } = await startApi();
    expect(await consul.agent.self()).toMatchObject({ Config: { Datacenter: "dc1", NodeName: "n1" } });
    expect(await consul.agent.members()).toMatchObject([{ Name: "n1", Status: 1 }]);
  });
});

test("catalog and status", async () => {
  const { consul } = await startApi();
  await consul.agent.service.register({ name: "web", tags: ["b", "a"] });
  expect(await consul.catalog.datacenters()).toEqual(["dc1"]);
  expect(await consul.catalog.node.list()).toMatchObject([{ Node: "n1" }]);
  expect(await consul.catalog.service.list()).toEqual({ web: ["a", "b"] });
  expect(await consul.catalog.service.nodes("web")).toMatchObject([
    { ServiceID: "web", ServiceTags: ["b", "a"], Node: "n1" },
  ]);
  expect(await consul.catalog.node.services("n1")).toMatchObject({
    Node: { Node: "n1" },
    Services: { web: { Port: 0 } },
  });
  expect(await consul.status.leader()).toBe("127.0.0.1:8300");
  expect(await consul.status.peers()).toEqual(["127.0.0.1:8300"]);
});

describe("watch", () => {
  test("of a key follows each value and its end", async () => {
    const { consul, writer } = await startApi();
    const watch = consul.watch({
      method: (options: never) => consul.kv.get(options),
      options: { key: "k", wait: "1m" } as never,
    });
    onTestFinished(() => watch.end());
    const seen: unknown[] = [];
    const problems: unknown[] = [];
    watch.on("change", (data: { Value: string } | undefined) => seen.push(data?.Value));
    watch.on("error", (error) => problems.push(error));
    await until(() => seen.length === 1);
    await writer.kvPut("k", Buffer.from("1"));
    await until(() => seen.length === 2);
    await writer.kvPut("other", Buffer.from("x"));
    await writer.kvPut("k", Buffer.from("2"));
    await until(() => seen.length === 3);
    await writer.kvDelete("k");
    await until(() => seen.length === 4);
    expect(seen).toEqual([undefined, "1", "2", undefined]);
    expect(problems).toEqual([]);
  });

  test("of a service follows its health", async () => {
    const { consul, store, lease } = await startApi();
    await consul.agent.service.register({ name: "web" });
    const watch = consul.watch({
      method: (options: never) => consul.health.service(options),
      options: { service: "web", passing: true, wait: "1m" } as never,
    });
    onTestFinished(() => watch.end());
    const seen: number[] = [];
    watch.on("change", (data: unknown[]) => seen.push(data.length));
    await until(() => seen.length === 1);
    await store.revokeLease(lease);
    await until(() => seen.length === 2);
    expect(seen).toEqual([1, 0]);
  });
});

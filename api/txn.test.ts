/** Transactions on the wire: every verb, all or none, and what is said when it is none. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeRecord, startApi } from "../test/fixtures/api.ts";

type Api = Awaited<ReturnType<typeof startApi>>;

const base64 = (text: string) => Buffer.from(text).toString("base64");

function kv(Verb: string, Key: string, more: object = {}) {
  return { KV: { Verb, Key, ...more } };
}

async function txn(api: Api, operations: unknown) {
  const text = typeof operations === "string" ? operations : JSON.stringify(operations);
  const { status, body, headers } = await api.client.exchange("PUT", "/v1/txn", text);
  const isJson = String(headers["content-type"]).includes("json");
  return { status, headers, text: body.toString(), json: isJson ? JSON.parse(body.toString()) : undefined };
}

async function session(api: Api, LockDelay = "0s"): Promise<string> {
  const { body } = await api.client.exchange("PUT", "/v1/session/create", JSON.stringify({ LockDelay }));
  return JSON.parse(body.toString()).ID;
}

const put = (api: Api, key: string, value = "1") => api.writer.kvPut(key, Buffer.from(value));

describe("keys", () => {
  test("set, get and the trees see what came before them in the same transaction", async () => {
    const api = await startApi();
    await put(api, "a/old");
    const { status, json } = await txn(api, [
      kv("set", "a/1", { Value: base64("eins"), Flags: 7 }),
      kv("get", "a/1"),
      kv("get-tree", "a/"),
      kv("delete-tree", "a/"),
      kv("get-or-empty", "a/1"),
      kv("check-not-exists", "a/old"),
      kv("set", "a/2", { Value: base64("zwei") }),
      kv("get-tree", "a/"),
    ]);
    expect(status).toBe(200);
    expect(json.Errors).toBeNull();
    const rows = json.Results.map(({ KV }: { KV: { Key: string; Value: string | null } }) => [
      KV.Key,
      KV.Value,
    ]);
    expect(rows).toEqual([
      ["a/1", null],
      ["a/1", base64("eins")],
      ["a/1", base64("eins")],
      ["a/old", base64("1")],
      ["a/1", null],
      ["a/2", null],
      ["a/2", base64("zwei")],
    ]);
    expect(json.Results[1].KV).toMatchObject({ Flags: 7, LockIndex: 0, ModifyIndex: api.registry.index });
    expect(api.registry.kvKeys("")).toEqual(["a/2"]);
  });

  test("cas, delete-cas and check-index hold to the ModifyIndex", async () => {
    const api = await startApi();
    const { revision } = await put(api, "k");
    const right = { Index: revision };
    const swap = [kv("check-index", "k", right), kv("cas", "k", { ...right, Value: base64("2") })];
    expect((await txn(api, swap)).status).toBe(200);
    const again = await txn(api, [...swap, kv("delete-cas", "k", right), kv("cas", "new", { Index: 0 })]);
    expect(again.status).toBe(409);
    expect(again.json.Results).toBeNull();
    expect(again.json.Errors.slice(1)).toEqual([
      { OpIndex: 1, What: 'failed to set key "k", index is stale' },
      { OpIndex: 2, What: 'failed to delete key "k", index is stale' },
    ]);
    expect(again.json.Errors[0].What).toMatch(
      /^failed index check for key "k", current modify index \d+ != /,
    );
    expect(api.registry.kv("new")).toBeUndefined();
    const now = api.registry.kv("k")?.modifyIndex;
    expect(
      (await txn(api, [kv("delete-cas", "k", { Index: now }), kv("cas", "k", { Index: 0 })])).status,
    ).toBe(200);
  });

  test("lock, unlock and check-session follow the holder", async () => {
    const api = await startApi();
    const [mine, other] = [await session(api), await session(api, "1m")];
    const held = { Session: mine };
    expect(
      (await txn(api, [kv("lock", "k", held), kv("check-session", "k", held)])).json.Results,
    ).toMatchObject([{ KV: { Session: mine, LockIndex: 1 } }, { KV: { Session: mine } }]);
    const refused = await txn(api, [
      kv("lock", "k", { Session: other }),
      kv("unlock", "k", { Session: other }),
      kv("check-session", "k", { Session: other }),
      kv("lock", "k2", { Session: "gone" }),
    ]);
    expect(refused.status).toBe(409);
    expect(refused.json.Errors.map(({ What }: { What: string }) => What)).toEqual([
      'failed to lock key "k", lock is already held',
      `failed to unlock key "k", lock isn't held, or is held by another session`,
      `failed session check for key "k", current session "${mine}" != "${other}"`,
      'invalid session "gone"',
    ]);
    expect((await txn(api, [kv("unlock", "k", held), kv("lock", "k", { Session: other })])).status).toBe(200);
    await api.writer.endSession(other);
    expect((await txn(api, [kv("lock", "k", held)])).json.Errors).toEqual([
      { OpIndex: 0, What: 'failed to lock key "k" due to lock delay' },
    ]);
  });

  test.each([
    [kv("get", "x"), `key "x" doesn't exist`],
    [kv("check-index", "x", { Index: 1 }), `failed to check index, key "x" doesn't exist`],
    [kv("check-session", "x"), `failed to check session, key "x" doesn't exist`],
    [kv("check-not-exists", "k"), 'key "k" exists'],
  ])("%j is refused and takes the others with it", async (operation, What) => {
    const api = await startApi();
    await put(api, "k");
    const { status, json } = await txn(api, [kv("set", "y", { Value: base64("1") }), operation]);
    expect([status, json.Errors]).toEqual([409, [{ OpIndex: 1, What }]]);
    expect(api.registry.kv("y")).toBeUndefined();
  });
});

describe("the catalog", () => {
  const Node = { Node: "ext", Address: "192.0.2.7", Meta: { rack: "1" } };
  const Service = { ID: "db", Service: "db", Port: 5432 };
  const Check = { Node: "ext", CheckID: "up", Name: "Up", Status: "passing", ServiceID: "db" };
  const build = [
    { Node: { Verb: "set", Node } },
    { Service: { Verb: "set", Node: "ext", Service } },
    { Check: { Verb: "set", Check } },
  ];

  test("a node with service and check is made at once, and goes at once", async () => {
    const api = await startApi();
    const made = await txn(api, build);
    expect(made.text).not.toContain('"Errors":[{');
    const [node, service, check] = made.json.Results;
    expect(node.Node).toMatchObject({ Node: "ext", Address: "192.0.2.7", Meta: { rack: "1" } });
    expect(service.Service).toMatchObject({ ID: "db", Port: 5432 });
    expect(check.Check).toMatchObject({ CheckID: "up", ServiceName: "db", Status: "passing" });
    expect(api.registry.service("db")[0]?.checks.map(({ id }) => id)).toEqual(["up"]);
    const cas = { Verb: "cas", Node: { ...Node, ModifyIndex: 1 } };
    expect((await txn(api, [{ Node: cas }])).json.Errors).toEqual([
      { OpIndex: 0, What: 'failed to set node "ext", index is stale' },
    ]);
    const { ModifyIndex } = service.Service;
    const swap = { Verb: "cas", Node: "ext", Service: { ...service.Service, Port: 5433, ModifyIndex } };
    expect((await txn(api, [{ Service: swap }])).json.Results[0].Service.Port).toBe(5433);
    const read = [
      { Node: { Verb: "get", Node: { Node: "ext" } } },
      { Service: { Verb: "get", Node: "ext", Service: { ID: "db" } } },
      { Check: { Verb: "get", Check: { Node: "ext", CheckID: "up" } } },
    ];
    expect((await txn(api, read)).json.Results).toHaveLength(3);
    expect((await txn(api, [{ Node: { Verb: "delete", Node: { Node: "ext" } } }])).status).toBe(200);
    expect(api.registry.node("ext")).toBeUndefined();
    expect((await txn(api, read)).json.Errors).toEqual([
      { OpIndex: 0, What: `node "ext" doesn't exist` },
      { OpIndex: 1, What: `service "db" on node "ext" doesn't exist` },
      { OpIndex: 2, What: `check "up" on node "ext" doesn't exist` },
    ]);
  });

  test("what needs a node or a service is refused without it; the fabric's nodes are their agents'", async () => {
    const api = await startApi();
    await api.writer.upsertNode({ ...nodeRecord("bare"), fabric: undefined } as never);
    const { json } = await txn(api, [
      build[1],
      { Check: { Verb: "set", Check: { ...Check, Node: "bare" } } },
      { Node: { Verb: "set", Node: { Node: "n1", Address: "192.0.2.9" } } },
      { Node: { Verb: "delete", Node: { Node: "n1" } } },
      { Check: { Verb: "set", Check: { Node: "n1", CheckID: "serfHealth", Status: "critical" } } },
    ]);
    expect(json.Errors.map(({ What }: { What: string }) => What)).toEqual([
      "Missing node registration",
      "Missing service registration",
      'node "n1" is of the fabric: only its agent changes it',
      'node "n1" is of the fabric: only its agent changes it',
      'check "serfHealth" of a node of the fabric follows its agent',
    ]);
  });
});

describe("bounds", () => {
  test("64 operations are taken, 65 are 413; so is a body of more than 512 KiB", async () => {
    const api = await startApi();
    const sets = Array.from({ length: 65 }, (_, at) => kv("set", `k${at}`, { Value: base64("1") }));
    expect((await txn(api, sets.slice(1))).json.Results).toHaveLength(64);
    expect(await txn(api, sets)).toMatchObject({
      status: 413,
      text: "Transaction contains too many operations (65 > 64)",
    });
    const big = [kv("set", "big", { Value: "A".repeat(512 * 1024) })];
    expect(await txn(api, big)).toMatchObject({ status: 413, text: expect.stringContaining("too large") });
  });

  test.each([
    ["{}", /^Request decode failed: the body must be a list/],
    ["[1]", /^Request decode failed/],
    ["[{}]", /one of KV, Node, Service and Check/],
    [[kv("swap", "k")], /^unknown KV verb "swap"/],
    [[{ Node: { Verb: "lock" } }], /^unknown Node verb "lock"/],
    [[kv("set", "")], /key/],
    [[kv("cas", "k", { Index: -1 })], /^Request decode failed/],
    [[{ Node: { Verb: "set", Node: { Node: "x", Address: "example.com" } } }], /example.com/],
  ])("%j is 400", async (operations, text) => {
    const answer = await txn(await startApi(), operations);
    expect(answer.status).toBe(400);
    expect(answer.text).toMatch(text);
  });
});

test("of transactions that move a token between keys all or none of each is seen, and none is lost", async () => {
  const api = await startApi();
  await put(api, "t/0");
  const move = async (from: number, to: number) => {
    const held = api.registry.kv(`t/${from}`);
    const index = { Index: held?.modifyIndex ?? 1 };
    return txn(api, [
      kv("check-index", `t/${from}`, index),
      kv("delete", `t/${from}`),
      kv("check-not-exists", `t/${to}`),
      kv("set", `t/${to}`, { Value: base64("1") }),
    ]);
  };
  const places = fc.integer({ min: 0, max: 3 });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(places, places), { maxLength: 6 }), async (moves) => {
      await Promise.all(moves.filter(([from, to]) => from !== to).map(([from, to]) => move(from, to)));
      expect(api.registry.kvKeys("t/")).toHaveLength(1);
    }),
    { numRuns: 50 },
  );
});

test("Consul's npm client runs a transaction", async () => {
  const { consul } = await startApi();
  const operations = [
    { KV: { Verb: "set", Key: "a", Value: base64("1") } },
    { KV: { Verb: "get", Key: "a" } },
  ];
  // The client takes the list alone; its types do not say so.
  const { Results } = (await consul.transaction.create(operations as never)) as { Results: unknown[] };
  expect(Results).toMatchObject([{ KV: { Key: "a" } }, { KV: { Value: base64("1") } }]);
});

/** Sessions and locks on the wire, in the patterns of the clients that elect leaders with them. */
import { describe, expect, test } from "vitest";
import { ManualClock } from "../clock/index.ts";
import { nodeRecord, startApi, until } from "../test/fixtures/api.ts";

type Api = Awaited<ReturnType<typeof startApi>>;

async function call(api: Api, line: string, body?: unknown) {
  const [method = "GET", path = "/"] = line.split(" ");
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const answer = await api.client.exchange(method, path, text as string | undefined);
  return { status: answer.status, headers: answer.headers, text: answer.body.toString() };
}

async function parsed(api: Api, line: string) {
  return JSON.parse((await call(api, line)).text);
}

async function create(api: Api, body: unknown = {}): Promise<string> {
  const { status, text } = await call(api, "PUT /v1/session/create", body);
  expect(status, text).toBe(200);
  return JSON.parse(text).ID;
}

describe("sessions", () => {
  test("are made with Consul's defaults and shown in full", async () => {
    const api = await startApi();
    const id = await create(api, "");
    const [shown] = await parsed(api, `GET /v1/session/info/${id}`);
    expect(shown).toEqual({
      ID: id,
      Name: "",
      Node: "n1",
      LockDelay: 15_000_000_000,
      Behavior: "release",
      TTL: "",
      NodeChecks: ["serfHealth"],
      ServiceChecks: [],
      Checks: ["serfHealth"],
      CreateIndex: expect.any(Number),
      ModifyIndex: expect.any(Number),
    });
    expect(await parsed(api, "GET /v1/session/list")).toEqual([shown]);
    expect(await parsed(api, "GET /v1/session/node/N1")).toEqual([shown]);
    expect(await parsed(api, "GET /v1/session/node/other")).toEqual([]);
    expect(await parsed(api, `PUT /v1/session/renew/${id}`)).toEqual([shown]);
    expect(await parsed(api, `PUT /v1/session/destroy/${id}`)).toBe(true);
    expect(await parsed(api, `PUT /v1/session/destroy/${id}`)).toBe(true);
    expect(await parsed(api, `GET /v1/session/info/${id}`)).toEqual([]);
    expect(await call(api, `PUT /v1/session/renew/${id}`)).toMatchObject({
      status: 404,
      text: `Session id '${id}' not found`,
    });
  });

  test.each([
    [{ TTL: "5s" }, "Invalid Session TTL '5000000000', must be between [10s=24h0m0s]"],
    [{ ttl: "25h" }, "Invalid Session TTL '90000000000000', must be between [10s=24h0m0s]"],
    [{ TTL: "soon" }, `Session TTL 'soon' invalid: time: invalid duration "soon"`],
    [{ Behavior: "keep" }, "Invalid Behavior setting 'keep'"],
    [{ Node: "nowhere" }, "Missing node registration"],
    [{ Checks: ["nothing"] }, "Missing check 'nothing' registration"],
  ])("%j is refused with 500 in Consul's words, and nothing is logged", async (body, text) => {
    const api = await startApi();
    expect(await call(api, "PUT /v1/session/create", body)).toMatchObject({ status: 500, text });
    expect(api.registry.sessions()).toEqual([]);
    expect(api.errors).toEqual([]);
  });

  test.each([
    [5, 5_000_000_000],
    [2_000_000, 2_000_000],
    ["0.001s", 1_000_000],
    ["0s", 0],
  ])("LockDelay %j is %i ns", async (LockDelay, ns) => {
    const api = await startApi();
    const id = await create(api, { LockDelay });
    expect((await parsed(api, `GET /v1/session/info/${id}`))[0].LockDelay).toBe(ns);
  });

  test("without renewal end after twice their TTL, with it they stay", async () => {
    const clock = new ManualClock();
    const api = await startApi({ clock });
    const [kept, lost] = [await create(api, { TTL: "10s" }), await create(api, { TTL: "10s" })];
    await clock.advance(19_000);
    expect((await call(api, `PUT /v1/session/renew/${kept}`)).status).toBe(200);
    expect(api.registry.session(lost)).toBeDefined();
    await clock.advance(1500);
    await until(() => !api.registry.session(lost));
    expect((await call(api, `PUT /v1/session/renew/${lost}`)).status).toBe(404);
    await clock.advance(18_000);
    expect(await parsed(api, `GET /v1/session/info/${kept}`)).toHaveLength(1);
    await clock.advance(1000);
    await until(() => !api.registry.session(kept));
  });

  test("end with their node's liveness, unless `checks: []` took that away", async () => {
    const api = await startApi();
    const [bound, free] = [await create(api), await create(api, { checks: [] })];
    await api.store.revokeLease(api.lease);
    await until(() => !api.registry.session(bound));
    expect(api.registry.session(free)).toBeDefined();
    expect(await call(api, "PUT /v1/session/create")).toMatchObject({
      status: 500,
      text: "Check 'serfHealth' is in critical state",
    });
    await api.writer.removeNode("n1");
    await until(() => !api.registry.session(free));
  });

  test("end when a check of theirs turns critical or goes away", async () => {
    const api = await startApi();
    for (const name of ["a", "b"]) {
      await call(api, "PUT /v1/agent/check/register", { Name: name, TTL: "1m", Status: "passing" });
    }
    const turned = await create(api, { NodeChecks: ["serfHealth", "a"] });
    const gone = await create(api, { NodeChecks: [], ServiceChecks: [{ ID: "b" }] });
    const other = await create(api);
    await call(api, "PUT /v1/agent/check/fail/a");
    await until(() => !api.registry.session(turned));
    expect(api.registry.session(gone)).toBeDefined();
    await call(api, "PUT /v1/agent/check/deregister/b");
    await until(() => !api.registry.session(gone));
    expect(api.registry.session(other)).toBeDefined();
  });

  test("a blocking query wakes when the session ends", async () => {
    const api = await startApi();
    const id = await create(api);
    const index = String((await call(api, `GET /v1/session/info/${id}`)).headers["x-consul-index"]);
    const poll = parsed(api, `GET /v1/session/info/${id}?index=${index}`);
    await until(() => api.registry.status().waiters === 1);
    await call(api, `PUT /v1/session/destroy/${id}`);
    expect(await poll).toEqual([]);
  });
});

describe("locks", () => {
  test("one holder at a time; LockIndex counts holders; a plain put keeps the lock", async () => {
    const api = await startApi();
    const [a, b] = [await create(api, { LockDelay: "0s" }), await create(api)];
    const put = async (query: string, body: string) => (await call(api, `PUT /v1/kv/k?${query}`, body)).text;
    const held = async () => {
      const [{ LockIndex, Session, Value }] = await parsed(api, "GET /v1/kv/k");
      return [LockIndex, Session, Buffer.from(Value, "base64").toString()];
    };
    expect(await put(`acquire=${a}`, "1")).toBe("true");
    expect(await held()).toEqual([1, a, "1"]);
    expect(await put(`acquire=${b}`, "2")).toBe("false");
    expect(await put(`release=${b}`, "2")).toBe("false");
    expect(await put(`acquire=${a}`, "3")).toBe("true");
    expect(await held()).toEqual([1, a, "3"]);
    expect(await put("", "4")).toBe("true");
    expect(await held()).toEqual([1, a, "4"]);
    expect(await put(`release=${a}`, "5")).toBe("true");
    expect(await held()).toEqual([1, undefined, "5"]);
    expect(await put(`release=${a}`, "6")).toBe("false");
    expect(await put(`acquire=${b}`, "7")).toBe("true");
    expect(await held()).toEqual([2, b, "7"]);
    expect((await call(api, "DELETE /v1/kv/k")).text).toBe("true");
    expect(await put(`release=${b}`, "8")).toBe("false");
  });

  test("locking again with the same value changes nothing", async () => {
    const api = await startApi();
    const id = await create(api);
    await call(api, `PUT /v1/kv/k?acquire=${id}`, "1");
    const before = await parsed(api, "GET /v1/kv/k");
    expect((await call(api, `PUT /v1/kv/k?acquire=${id}`, "1")).text).toBe("true");
    expect(await parsed(api, "GET /v1/kv/k")).toEqual(before);
  });

  test("a session that is not there cannot lock", async () => {
    const api = await startApi();
    expect(await call(api, "PUT /v1/kv/k?acquire=gone", "1")).toMatchObject({
      status: 500,
      text: 'invalid session "gone"',
    });
    expect(await call(api, "PUT /v1/kv/k?acquire=", "1")).toMatchObject({
      status: 500,
      text: "missing session",
    });
    expect((await call(api, "PUT /v1/kv/k?release=gone", "1")).text).toBe("false");
    expect(api.errors).toEqual([]);
  });

  test.each([
    ["release", true],
    ["delete", false],
  ])("a session of behaviour %s lets go of its keys as it ends; watchers wake", async (Behavior, stays) => {
    const api = await startApi();
    const id = await create(api, { Behavior, LockDelay: "0s" });
    for (const key of ["k", "l"]) await call(api, `PUT /v1/kv/${key}?acquire=${id}&flags=3`, "v");
    const index = String((await call(api, "GET /v1/kv/k")).headers["x-consul-index"]);
    const poll = call(api, `GET /v1/kv/k?index=${index}`);
    await until(() => api.registry.status().waiters === 1);
    await call(api, `PUT /v1/session/destroy/${id}`);
    const { status, text, headers } = await poll;
    expect(Number(headers["x-consul-index"])).toBeGreaterThan(Number(index));
    expect(status).toBe(stays ? 200 : 404);
    if (stays) {
      const [entry] = JSON.parse(text);
      expect(entry).toMatchObject({ Flags: 3, LockIndex: 1, Value: "dg==" });
      expect(entry).not.toHaveProperty("Session");
    }
    expect(await parsed(api, "GET /v1/kv/?keys")).toEqual(stays ? ["k", "l"] : []);
  });

  test("more keys than one transaction takes are let go of, all of them", async () => {
    const api = await startApi();
    const id = await create(api, { Behavior: "delete" });
    for (let at = 0; at < 150; at++) await api.writer.kvPut(`k/${at}`, Buffer.from("1"), { acquire: id });
    await api.writer.kvPut("other", Buffer.from("1"));
    await call(api, `PUT /v1/session/destroy/${id}`);
    expect(await parsed(api, "GET /v1/kv/?keys")).toEqual(["other"]);
  });

  test("for the lock delay nobody gets the key, and the wall clock has no say in it", async () => {
    const clock = new ManualClock();
    const api = await startApi({ clock });
    const [a, b] = [await create(api, { LockDelay: "5s" }), await create(api)];
    await call(api, `PUT /v1/kv/k?acquire=${a}`, "1");
    await call(api, `PUT /v1/session/destroy/${a}`);
    expect(await call(api, `PUT /v1/kv/k?acquire=${b}`, "2")).toMatchObject({ status: 200, text: "false" });
    clock.jumpWall(3_600_000);
    expect((await call(api, `PUT /v1/kv/k?acquire=${b}`, "2")).text).toBe("false");
    await clock.advance(5000);
    expect((await call(api, `PUT /v1/kv/k?acquire=${b}`, "2")).text).toBe("true");
  });

  test("who unlocks by itself leaves no delay", async () => {
    const api = await startApi();
    const [a, b] = [await create(api), await create(api)];
    await call(api, `PUT /v1/kv/k?acquire=${a}`, "1");
    await call(api, `PUT /v1/kv/k?release=${a}`, "1");
    expect((await call(api, `PUT /v1/kv/k?acquire=${b}`, "2")).text).toBe("true");
  });

  test("of many that lock at once one holds the key, and no key stays with a session that ended", async () => {
    const api = await startApi();
    const ids = await Promise.all(Array.from({ length: 20 }, () => create(api, { LockDelay: "0s" })));
    const lock = (id: string) =>
      api.writer.kvPut("k", Buffer.from(id), { acquire: id }).catch(() => ({ succeeded: false }));
    const won = (await Promise.all(ids.map(lock))).filter(({ succeeded }) => succeeded);
    expect(won).toHaveLength(1);
    await Promise.all(ids.flatMap((id) => [lock(id), api.writer.endSession(id), lock(id)]));
    expect(api.registry.sessions()).toEqual([]);
    expect(api.registry.kv("k")?.session).toBeUndefined();
  });
});

test("Patroni's leader race: session, acquire, renew, follow the key, lose it with the session", async () => {
  const clock = new ManualClock();
  const api = await startApi({ clock });
  const ttlMin = (await parsed(api, "GET /v1/agent/self")).Config.SessionTTLMin;
  expect(ttlMin).toBe(10_000_000_000);
  const session = { name: "batman-pg0", checks: [], lockdelay: "0.001s", behavior: "delete", ttl: "15.0s" };
  const leader = await create(api, session);
  const other = await create(api, { ...session, name: "batman-pg1" });
  const key = "service/batman/leader";
  expect((await call(api, `PUT /v1/kv/${key}?acquire=${leader}`, "pg0")).text).toBe("true");
  expect((await call(api, `PUT /v1/kv/${key}?acquire=${other}`, "pg1")).text).toBe("false");
  const cluster = await call(api, "GET /v1/kv/service/batman/?recurse&consistent");
  const [shown] = JSON.parse(cluster.text);
  expect(shown).toMatchObject({ Key: key, Session: leader });
  const point = await call(api, `GET /v1/kv/${key}`);
  expect(Number(point.headers["x-consul-index"])).toBe(shown.ModifyIndex);
  const poll = call(api, `GET /v1/kv/${key}?index=${shown.ModifyIndex}&wait=10s`);
  await until(() => api.registry.status().waiters === 1);
  await clock.advance(8000);
  expect((await call(api, `PUT /v1/session/renew/${other}`)).status).toBe(200);
  const early = await Promise.race([poll, Promise.resolve(undefined)]);
  expect(early).toBeUndefined();
  await call(api, `PUT /v1/session/renew/${leader}`);
  await clock.advance(31_000);
  await until(() => api.registry.kv(key) === undefined);
  expect((await call(api, `PUT /v1/session/renew/${leader}`)).status).toBe(404);
  const again = await create(api, session);
  await clock.advance(1);
  expect((await call(api, `PUT /v1/kv/${key}?acquire=${again}`, "pg1")).text).toBe("true");
  const [{ ModifyIndex }] = await parsed(api, `GET /v1/kv/${key}`);
  expect((await call(api, `DELETE /v1/kv/${key}?cas=1`)).text).toBe("false");
  expect((await call(api, `DELETE /v1/kv/${key}?cas=${ModifyIndex}`)).text).toBe("true");
  await poll;
});

test("Consul's npm client makes, renews and destroys sessions and locks with them", async () => {
  const { consul, writer } = await startApi();
  await writer.upsertNode(nodeRecord("n2"));
  const { ID } = await consul.session.create({
    name: "job",
    ttl: "15s",
    behavior: "delete",
    lockdelay: "1s",
  });
  expect(await consul.session.get(ID)).toMatchObject({ ID, Name: "job", TTL: "15s", Behavior: "delete" });
  expect(await consul.session.list()).toHaveLength(1);
  expect(await consul.session.node("n1")).toHaveLength(1);
  expect(await consul.session.renew(ID)).toMatchObject([{ ID }]);
  expect(await consul.kv.set({ key: "lock", value: "me", acquire: ID })).toBe(true);
  expect(await consul.kv.get("lock")).toMatchObject({ Session: ID, LockIndex: 1 });
  expect(await consul.kv.set({ key: "lock", value: "", release: ID })).toBe(true);
  await consul.session.destroy(ID);
  expect(await consul.session.get(ID)).toBeUndefined();
  await expect(consul.session.renew(ID)).rejects.toThrow("not found");
});

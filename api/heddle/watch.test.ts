/** Event streams over real connections: what a reader is told, and where it goes on after any kind of interruption. */
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { changePath } from "../../registry/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { startApi, until } from "../../test/fixtures/api.ts";
import { EventReader } from "../../test/fixtures/events.ts";

const text = (value: unknown) => Buffer.from(String(value), "base64").toString();

describe("a stream of keys", () => {
  it("begins with what there is, then tells each change with the revision that made it", async () => {
    const { writer, http } = await startApi();
    const { revision } = await writer.kvPut("app/a", Buffer.from("1"));
    await writer.kvPut("other", Buffer.from("x"));
    const reader = await EventReader.open(http.port, "/v1/heddle/watch/kv/app/");
    expect(reader.headers).toMatchObject({
      "content-type": "text/event-stream",
      "cache-control": "no-store",
    });
    const [current, synced] = await reader.until("synced");
    expect(current).toMatchObject({
      event: "current",
      data: { key: "app/a", value: "MQ==", modifyRevision: revision, flags: "0" },
    });
    expect(synced?.id).toMatch(new RegExp(`^${revision + 1}@`));
    await writer.kvPut("other", Buffer.from("y"));
    await writer.kvPut("app/a", Buffer.from("2"));
    await writer.kvPut("app/b", Buffer.from("3"));
    await writer.kvDelete("app/a");
    const events = [await reader.next(), await reader.next(), await reader.next()];
    expect(events.map((each) => [each?.event, each?.data["key"], text(each?.data["value"])])).toEqual([
      ["modify", "app/a", "2"],
      ["add", "app/b", "3"],
      ["delete", "app/a", "2"],
    ]);
    expect(events.map((each) => each?.data["revision"])).toEqual([revision + 3, revision + 4, revision + 5]);
    reader.close();
  });

  it("loses nothing and tells nothing twice, whenever its reader leaves and comes back", async () => {
    const { writer, http } = await startApi();
    const step = fc.record({
      keys: fc.uniqueArray(fc.constantFrom("a", "b", "c"), { minLength: 1 }),
      read: fc.nat(4),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        let reader = await EventReader.open(http.port, "/v1/heddle/watch/kv/p/");
        let last = (await reader.until("synced")).at(-1)?.id ?? "";
        const told: string[] = [];
        const made: string[] = [];
        for (const [at, { keys, read }] of steps.entries()) {
          const set = { kind: "kv", verb: "set", flags: 0n, index: 0, session: "" } as const;
          const value = Buffer.from(`${at}-${Math.random()}`);
          const { revision } = await writer.txn(keys.map((key) => ({ ...set, key: `p/${key}`, value })));
          made.push(...keys.toSorted().map((key) => `${revision} p/${key}`));
          for (let i = 0; i < read && told.length < made.length; i++) {
            const event = await reader.next();
            told.push(`${event?.data["revision"]} ${event?.data["key"]}`);
            last = event?.id ?? last;
          }
          reader.close();
          reader = await EventReader.open(http.port, "/v1/heddle/watch/kv/p/", last);
          expect(reader.status).toBe(200);
        }
        while (told.length < made.length) {
          const event = await reader.next();
          told.push(`${event?.data["revision"]} ${event?.data["key"]}`);
        }
        reader.close();
        expect(told).toEqual(made);
      }),
      { numRuns: 20 },
    );
  });

  it("goes on after a restart of the server if it has seen everything, else is told to start again", async () => {
    const store = new MemoryStore();
    const first = await startApi({ store });
    const reader = await EventReader.open(first.http.port, "/v1/heddle/watch/kv/");
    const early = (await reader.until("synced")).at(-1)?.id;
    await first.writer.kvPut("a", Buffer.from("1"));
    await reader.next();
    const { lastEventId } = reader;
    await first.http.close();
    const second = await startApi({ store });
    const behind = await EventReader.open(second.http.port, "/v1/heddle/watch/kv/", early);
    expect(behind.status).toBe(410);
    expect(JSON.parse(await behind.body())).toMatchObject({ code: "REGISTRY_COMPACTED" });
    // Its own records moved the store on; keys did not change since.
    const position = `${second.registry.index}@${lastEventId.split("@")[1]}`;
    const resumed = await EventReader.open(second.http.port, "/v1/heddle/watch/kv/", position);
    await second.writer.kvPut("a", Buffer.from("2"));
    expect(await resumed.next()).toMatchObject({ event: "modify", data: { key: "a" } });
    resumed.close();
  });

  it.each([
    ["another store's id", (revision: number) => `${revision}@deadbeef`],
    ["a revision that never was", (revision: number) => `${revision + 1000}`],
    ["a revision from before the start", () => "0"],
  ])("since %s is 410 and says to start again", async (_, since) => {
    const { http, registry } = await startApi();
    const reader = await EventReader.open(http.port, "/v1/heddle/watch/kv/", since(registry.index));
    expect(reader.status).toBe(410);
    expect(JSON.parse(await reader.body())).toMatchObject({
      code: "REGISTRY_COMPACTED",
      message: expect.stringContaining("start again"),
    });
  });

  it("since now begins with what happens next", async () => {
    const { http, writer } = await startApi();
    await writer.kvPut("a", Buffer.from("1"));
    const reader = await EventReader.open(http.port, "/v1/heddle/watch/kv/?since=now");
    await writer.kvPut("b", Buffer.from("1"));
    expect(await reader.next()).toMatchObject({ event: "add", data: { key: "b" } });
    reader.close();
  });

  it("refuses a position that is none", async () => {
    const { http } = await startApi();
    for (const path of ["/v1/heddle/watch/kv/?since=soon", "/v1/heddle/watch/kv/?until=5"])
      expect((await EventReader.open(http.port, path)).status).toBe(400);
  });

  it("moves its reader's position while nothing happens there", async () => {
    const { http, writer } = await startApi({ heartbeatEveryMs: 5, changesMax: 4 });
    const reader = await EventReader.open(http.port, "/v1/heddle/watch/kv/quiet/");
    await reader.until("synced");
    const next = reader.next();
    for (let i = 0; i < 20; i++) await writer.kvPut("busy", Buffer.from(`${i}`));
    const { revision } = await writer.kvPut("busy", Buffer.from("last"));
    while (!reader.lastEventId.startsWith(`${revision}@`)) await sleep(1);
    expect(reader.heartbeats).toBeGreaterThan(0);
    await writer.kvPut("quiet/a", Buffer.from("1"));
    expect(await next).toMatchObject({ event: "add" });
    reader.close();
  });

  it("ends a reader that is too slow with an event that says so", async () => {
    const { http, writer } = await startApi({ changesMax: 50 });
    const reader = await EventReader.open(http.port, "/v1/heddle/watch/kv/");
    const value = Buffer.alloc(256 * 1024);
    for (let i = 0; i < 150; i++) {
      value[0] = i;
      await writer.kvPut("big", value);
    }
    const events = await reader.until("compacted");
    expect(events.at(-1)).toMatchObject({ event: "compacted", data: { code: "REGISTRY_COMPACTED" } });
    expect(await reader.next()).toBeUndefined();
    const told = events
      .filter(({ event }) => event === "modify")
      .map(({ data }) => data["revision"] as number);
    for (const [at, revision] of told.entries()) if (at > 0) expect(revision).toBe((told[at - 1] ?? 0) + 1);
    expect(told.length).toBeLessThan(150);
  });

  it("is one of a bounded number, and makes room when its reader leaves", async () => {
    const { http, client } = await startApi({ streamsMax: 2 });
    const path = "/v1/heddle/watch/kv/";
    const open = await Promise.all([EventReader.open(http.port, path), EventReader.open(http.port, path)]);
    const refused = await EventReader.open(http.port, path);
    expect(refused.status).toBe(429);
    expect(await client.exchange("HEAD", path)).toMatchObject({ status: 200 });
    for (const reader of open) reader.close();
    let status = 0;
    while (status !== 200) {
      const again = await EventReader.open(http.port, path);
      status = again.status;
      again.close();
    }
  });
});

describe("a stream of the catalog", () => {
  it("tells instances with their health, and that a node is no longer alive", async () => {
    const { http, store, writer, lease, consul, registry } = await startApi();
    const open = async (path: string) => {
      const reader = await EventReader.open(http.port, `/v1/heddle/watch/${path}`);
      return { reader, first: await reader.until("synced") };
    };
    const service = await open("services/web");
    const node = await open("nodes/n1");
    const checks = await open("checks/n1");
    const others = await open("services/other");
    expect(node.first[0]).toMatchObject({ event: "current", data: { name: "n1", alive: true } });
    await consul.agent.service.register({ id: "w1", name: "web", port: 80, check: { ttl: "1m" } } as never);
    expect(await service.reader.next()).toMatchObject({
      event: "add",
      data: { id: "w1", address: "127.0.0.1", port: 80, status: "critical" },
    });
    await consul.agent.check.pass("service:w1");
    let state: unknown;
    while (state !== "passing") state = (await service.reader.next())?.data["status"];
    await store.revokeLease(lease);
    await until(() => !registry.isLive("n1"));
    expect(await service.reader.next()).toMatchObject({ event: "expire", data: { status: "critical" } });
    expect(await node.reader.next()).toMatchObject({ event: "expire", data: { name: "n1", alive: false } });
    await writer.setLive("n1", (await store.grantLease(60_000)).id);
    expect(await service.reader.next()).toMatchObject({ event: "modify", data: { status: "passing" } });
    expect(await node.reader.next()).toMatchObject({ event: "modify", data: { alive: true } });
    const told = (await checks.reader.until("expire")).at(-1);
    expect(told).toMatchObject({ data: { id: "serfHealth", status: "critical" } });
    await consul.agent.service.deregister("w1");
    const gone = await service.reader.until("delete");
    expect(gone.at(-1)).toMatchObject({ data: { id: "w1" } });
    expect(
      registry.changesAfter(changePath.services("other"), { revision: registry.index }).take(),
    ).toBeUndefined();
    for (const { reader } of [service, node, checks, others]) reader.close();
  });
});

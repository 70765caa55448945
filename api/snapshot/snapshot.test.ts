/** Snapshots over HTTP: what comes back, what stays as it is, and that nothing comes of a damaged one. */
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { historyAgeDefaultMs } from "../../registry/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { startApi } from "../../test/fixtures/api.ts";
import { EventReader } from "../../test/fixtures/events.ts";
import { packSnapshot, unpackSnapshot } from "./archive.ts";

type Api = Awaited<ReturnType<typeof startApi>>;

async function* parts(bytes: Uint8Array, size = 1000) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function bytesOf(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function save({ client }: Api): Promise<Buffer> {
  const { status, body, headers } = await client.exchange("GET", "/v1/snapshot");
  expect(status).toBe(200);
  expect(Number(headers["x-consul-index"])).toBeGreaterThan(0);
  return body;
}

const restore = ({ client }: Api, archive: Uint8Array) => client.exchange("PUT", "/v1/snapshot", archive);

const outside = { Node: "printer", Address: "192.0.2.9", Service: { Service: "print", Port: 9100 } };

describe("a snapshot", () => {
  it("brings back what people wrote, and leaves what agents say alone", async () => {
    const api = await startApi();
    const { writer, client, registry, consul } = api;
    await writer.kvPut("a", Buffer.from("1"), { flags: 7n });
    await writer.kvPut("brief", Buffer.from("x"), { ttlMs: 3_600_000 });
    await writer.putHistoryRule({ prefix: "a", versions: 3, ageMs: historyAgeDefaultMs });
    await client.json("PUT", "/v1/catalog/register", outside);
    await client.json("POST", "/v1/query", { Name: "q", Service: { Service: "web" } });
    await consul.agent.service.register({ id: "w", name: "web", port: 1 } as never);
    const archive = await save(api);

    await writer.kvPut("a", Buffer.from("2"));
    await writer.kvPut("later", Buffer.from("3"));
    await client.exchange("PUT", "/v1/catalog/deregister", JSON.stringify({ Node: "printer" }));
    await client.json("PUT", "/v1/catalog/register", { Node: "scanner", Address: "192.0.2.10" });
    for (const { id } of registry.queries()) await writer.deleteQuery(id);
    await consul.agent.service.register({ id: "w2", name: "web", port: 2 } as never);
    const before = registry.index;

    expect((await restore(api, archive)).status).toBe(200);
    expect(registry.kvKeys("")).toEqual(["a"]);
    expect(registry.kv("a")).toMatchObject({ flags: 7n, modifyIndex: before + 1 });
    expect(registry.nodes().map(({ name }) => name)).toEqual(["n1", "printer"]);
    expect(registry.service("print")).toHaveLength(1);
    expect(registry.service("web").map(({ service }) => service.id)).toEqual(["w", "w2"]);
    expect(registry.isLive("n1")).toBe(true);
    expect(registry.queries().map(({ name }) => name)).toEqual(["q"]);
    expect(registry.history.rules()).toHaveLength(1);
    expect(registry.history.versions("a")).toEqual([]);
    // The name is taken, and free again when the query goes.
    await expect(
      client.json("POST", "/v1/query", { Name: "q", Service: { Service: "x" } }),
    ).rejects.toThrow();
  });

  it("survives a restart, and restores into another store", async () => {
    const api = await startApi();
    const value = Buffer.from(Uint8Array.from({ length: 256 }, (_, at) => at));
    for (const key of ["x", "ü/…", "empty"])
      await api.writer.kvPut(key, key === "empty" ? Buffer.alloc(0) : value);
    const archive = await save(api);
    const store = new MemoryStore();
    const other = await startApi({ store });
    expect((await restore(other, archive)).status).toBe(200);
    const again = await startApi({ store });
    for (const { registry } of [other, again])
      expect(registry.kvList("").map((entry) => [entry.key, Buffer.from(entry.value)])).toEqual(
        api.registry.kvList("").map((entry) => [entry.key, Buffer.from(entry.value)]),
      );
  });

  it("is restored in one revision, and wakes only whom it concerns", async () => {
    const api = await startApi();
    for (let i = 0; i < 300; i++) await api.writer.kvPut(`k/${i}`, Buffer.from("old"));
    const archive = await save(api);
    const { modifyIndex: untouched } = api.registry.kv("k/299") ?? { modifyIndex: 0 };
    for (let i = 0; i < 250; i++) await api.writer.kvPut(`k/${i}`, Buffer.from("new"));
    const seen = new Set<string>();
    const stop = api.registry.onChange(() => {
      const values = new Set(
        api.registry
          .kvList("k/")
          .slice(0, 100)
          .map(({ value }) => Buffer.from(value).toString()),
      );
      seen.add([...values].join());
    });
    const reader = await EventReader.open(api.http.port, "/v1/heddle/watch/kv/k/?since=now");
    await restore(api, archive);
    stop();
    expect(api.registry.kvList("k/").every(({ value }) => Buffer.from(value).toString() === "old")).toBe(
      true,
    );
    expect(api.registry.kv("k/299")?.modifyIndex).toBe(untouched);
    const revisions = new Set<unknown>();
    for (let i = 0; i < 250; i++) revisions.add((await reader.next())?.data["revision"]);
    expect([...revisions]).toEqual([api.registry.index]);
    reader.close();
  });

  it("that is damaged anywhere changes nothing, and is told in words", async () => {
    const api = await startApi();
    for (let i = 0; i < 50; i++) await api.writer.kvPut(`k/${i}`, Buffer.from(`value ${i}`));
    const archive = await save(api);
    await api.writer.kvPut("now", Buffer.from("1"));
    const { index } = api.registry;
    const text = gunzipSync(archive).toString();
    const damaged = [
      Buffer.from("not an archive"),
      Buffer.alloc(0),
      archive.subarray(0, archive.length - 20),
      archive.subarray(0, 100),
      gzipSync(text.replace("k/7", "k/8")),
      gzipSync(text.split("\n").slice(0, 30).join("\n")),
      gzipSync(text.split("\n").toSpliced(5, 1).join("\n")),
      gzipSync(text.replace('"version":1', '"version":2')),
    ];
    for (const each of damaged) {
      const { status, body } = await restore(api, each);
      expect(status, body.toString()).toBe(400);
      expect(body.toString()).toContain("Nothing was changed");
    }
    expect(api.registry.index).toBe(index);
  });

  it.each([
    ["an address claim", "ipam/blocks/default/10.0.0.0_26", Buffer.from("{}")],
    ["a live mark", "live/n1", Buffer.alloc(0)],
    ["a damaged key", "kv/a", Buffer.from("x")],
    ["a node of the fabric", "catalog/nodes/n1", undefined],
  ])("with %s is refused whole", async (_, key, value) => {
    const api = await startApi();
    const { index } = api.registry;
    const stored = (await api.store.range(key)).items[0]?.value;
    const head = { datacenter: "dc1", revision: 1, at: new Date(0).toISOString() };
    const archive = await bytesOf(packSnapshot(head, [{ key, value: value ?? stored ?? Buffer.alloc(0) }]));
    const { status, body } = await restore(api, archive);
    expect([status, body.toString()]).toEqual([400, expect.stringContaining("nothing was changed")]);
    expect(api.registry.index).toBe(index);
  });
});

describe("an archive", () => {
  const record = fc.record({ key: fc.string({ minLength: 1 }), value: fc.uint8Array() });
  const head = { datacenter: "dc1", revision: 5, at: new Date(0).toISOString() };

  it("unpacks to what was packed, however it arrives", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(record), fc.integer({ min: 1, max: 200 }), async (records, size) => {
        const packed = await bytesOf(packSnapshot(head, records));
        const unpacked = await unpackSnapshot(parts(packed, size));
        expect(unpacked.head).toEqual({ heddle: "snapshot", version: 1, ...head });
        expect(unpacked.records.map(({ key, value }) => [key, [...value]])).toEqual(
          records.map(({ key, value }) => [key, [...value]]),
        );
      }),
    );
  });

  it("with any byte changed is refused, or unpacks to the same", async () => {
    const records = [{ key: "kv/a", value: Buffer.from("value") }];
    const packed = await bytesOf(packSnapshot(head, records));
    await fc.assert(
      fc.asyncProperty(fc.nat(packed.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const changed = Buffer.from(packed);
        changed[at] = (changed[at] ?? 0) ^ flip;
        const result = await unpackSnapshot(parts(changed)).catch((error: { code?: string }) => error.code);
        if (typeof result === "string") expect(result).toBe("API_SNAPSHOT_DAMAGED");
        else expect(result).toMatchObject({ records: [{ key: "kv/a", value: Buffer.from("value") }] });
      }),
    );
  });

  it("that unpacks to more than it may is given up in time", async () => {
    const bomb = gzipSync(Buffer.alloc(5_000_000, "x"));
    await expect(unpackSnapshot(parts(bomb), 1_000_000)).rejects.toMatchObject({
      code: "API_SNAPSHOT_DAMAGED",
    });
  });
});

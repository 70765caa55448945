/** Streams of the API through an agent: its own listener, real gRPC, and the API of a server behind it. */
import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { ApiClient, createApi } from "../../api/index.ts";
import { systemClock } from "../../clock/index.ts";
import { TestFabric } from "../../test/control/fabric.ts";
import { listen, until } from "../../test/fixtures/api.ts";
import { EventReader } from "../../test/fixtures/events.ts";
import { forwardTo, serveForwarded, serveForwardedStreams } from "./forwarding.ts";

const self = {
  node: "n1",
  id: "i",
  address: "127.0.0.1",
  datacenter: "dc1",
  version: "0",
  server: false,
  meta: {},
};

const fabrics: TestFabric[] = [];
afterEach(async () => {
  for (const fabric of fabrics.splice(0)) await fabric.close();
});

async function behindAgent(streamsMax = 8) {
  const fabric = new TestFabric();
  fabrics.push(fabric);
  const start = async () => {
    const held: { api?: ReturnType<typeof createApi> } = {};
    const handle = (request: Parameters<ReturnType<typeof createApi>>[0]) =>
      held.api?.(request) ?? Promise.reject();
    const server = await fabric.server({
      http: serveForwarded(handle),
      httpStream: serveForwardedStreams(handle),
    });
    const { registry, writer } = server;
    held.api = createApi({
      self,
      clock: systemClock,
      server: { registry, writer, streamsMax },
      heartbeatEveryMs: 20,
    });
    return server;
  };
  const servers = [await start(), await start()] as const;
  const { client } = fabric.agent(servers.map(({ address }) => address));
  await until(() => client.state.connected);
  const http = await listen(createApi({ self, clock: systemClock, forward: forwardTo(client) }));
  return { servers, client, http };
}

describe("an event stream through an agent", () => {
  it("is the server's, and goes on at another server where it was", async () => {
    const { servers, client, http } = await behindAgent();
    const [first, second] = servers;
    const reader = await EventReader.open(http.port, "/v1/heddle/watch/kv/a/");
    expect(reader.headers["content-type"]).toBe("text/event-stream");
    await reader.until("synced");
    await first.writer.kvPut("a/1", Buffer.from("1"));
    expect(await reader.next()).toMatchObject({ event: "add", data: { key: "a/1" } });
    await first.close();
    // The reader is cut instead of left in the dark.
    expect(await reader.until("never")).toEqual([]);
    await second.writer.kvPut("a/2", Buffer.from("2"));
    await until(() => client.state.connected && client.state.address === second.address);
    const again = await EventReader.open(http.port, "/v1/heddle/watch/kv/a/", reader.lastEventId);
    expect(await again.next()).toMatchObject({ event: "add", data: { key: "a/2" } });
    again.close();
    await http.close();
  });

  it("carries refusals, and frees the server's stream when the reader leaves", async () => {
    const { http, servers } = await behindAgent(1);
    const path = "/v1/heddle/watch/kv/";
    const old = await EventReader.open(http.port, path, "1@deadbeef");
    expect([old.status, JSON.parse(await old.body())]).toMatchObject([410, { code: "REGISTRY_COMPACTED" }]);
    const reader = await EventReader.open(http.port, path);
    expect((await EventReader.open(http.port, path)).status).toBe(429);
    reader.close();
    let status = 0;
    while (status !== 200) {
      const next = await EventReader.open(http.port, path);
      status = next.status;
      next.close();
    }
    expect(servers[0].registry.status().following).toBe(true);
    await http.close();
  });

  it("of more than a window's worth arrives whole, at the reader's pace", async () => {
    const { http, servers } = await behindAgent();
    const value = Buffer.alloc(200_000, "x");
    const keys = Array.from({ length: 60 }, (_, at) => `k/${String(at).padStart(2, "0")}`);
    for (const key of keys) await servers[0].writer.kvPut(key, value);
    const reader = await EventReader.open(http.port, "/v1/heddle/watch/kv/k/");
    const events = await reader.until("synced");
    expect(events.slice(0, -1).map(({ data }) => data["key"])).toEqual(keys);
    expect(events.slice(0, -1).every(({ data }) => (data["value"] as string).length > 200_000)).toBe(true);
    reader.close();
    await http.close();
  });
});

describe("a snapshot through an agent", () => {
  it("is saved and restored whole, larger than any message of the protocol", async () => {
    const { http, servers } = await behindAgent();
    const { writer, registry } = servers[0];
    // Nothing that packs well: 12 MiB stay 12 MiB.
    const values = Array.from({ length: 40 }, () => randomBytes(300_000));
    for (const [at, value] of values.entries()) await writer.kvPut(`k/${at}`, value);
    const agent = new ApiClient({ kind: "tcp", host: "127.0.0.1", port: http.port });
    const { status, body: archive } = await agent.exchange("GET", "/v1/snapshot");
    expect([status, archive.length > 11_000_000]).toEqual([200, true]);
    await writer.kvDeleteTree("");
    const cut = await agent.exchange("PUT", "/v1/snapshot", archive.subarray(0, 9_000_000));
    expect([cut.status, registry.kvKeys("")]).toEqual([400, []]);
    expect((await agent.exchange("PUT", "/v1/snapshot", archive)).status).toBe(200);
    for (const [at, value] of values.entries())
      expect(Buffer.compare(registry.kv(`k/${at}`)?.value ?? Buffer.alloc(0), value)).toBe(0);
    await http.close();
  });
});

import { readFileSync, statSync } from "node:fs";
import { connect as connectTcp } from "node:net";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { parseCidr, parseIp } from "../addr/index.ts";
import { FabricError } from "../errors/index.ts";
import { ipamKeys } from "../ipam/index.ts";
import { check, service, type TestAgent, TestFabric, type TestServer } from "../test/control/fabric.ts";
import { controlBlockSource, type ServiceViewItem, storeViewCache } from "./index.ts";

let fabric: TestFabric;
beforeEach(() => {
  fabric = new TestFabric();
});
afterEach(() => fabric.close());

async function connected({ client }: TestAgent): Promise<void> {
  await vi.waitFor(() => expect(client.state.connected).toBe(true));
}

async function joined(server: TestServer, ...more: Parameters<TestFabric["agent"]>[1][]): Promise<TestAgent> {
  const agent = fabric.agent([server.address], more[0]);
  await connected(agent);
  return agent;
}

describe("join", () => {
  it.each(["tcp", "unix"])("over %s writes the node, its term and its liveness", async (kind) => {
    const server = await fabric.server(kind === "unix" ? { listen: fabric.socketAddress() } : {});
    const agent = await joined(server);
    const { name, id } = agent.client.node;
    expect(server.registry.node(name)).toMatchObject({
      id,
      datacenter: "dc1",
      fabric: { zone: "a", vxlanPort: 4789 },
    });
    expect(server.registry.node(name)?.fabric?.epoch).toBe(agent.client.state.welcome?.epoch);
    expect(server.registry.isLive(name)).toBe(true);
    expect(agent.client.state).toMatchObject({ welcome: { datacenter: "dc1", storeId: fabric.store.id } });
    if (kind === "unix") expect(statSync(server.address.slice("unix:".length)).mode & 0o777).toBe(0o600);
  });

  it("a goodbye ends liveness at once, a broken stream leaves it to the TTL", async () => {
    const server = await fabric.server({ limits: { liveTtlMs: 1500 } });
    const [polite, rude] = [await joined(server), await joined(server)];
    await polite.client.close({ goodbye: true });
    await vi.waitFor(() => expect(server.registry.isLive(polite.client.node.name)).toBe(false));
    await rude.client.close();
    await vi.waitFor(() => expect(server.server.status().sessions).toBe(0));
    expect(server.registry.isLive(rude.client.node.name)).toBe(true);
    await vi.waitFor(() => expect(server.registry.isLive(rude.client.node.name)).toBe(false));
  });

  it("heartbeats keep a node alive beyond its TTL", async () => {
    const server = await fabric.server({ limits: { liveTtlMs: 400, heartbeatIntervalMs: 50 } });
    const agent = await joined(server);
    const keeps = vi.spyOn(fabric.store, "keepAlive");
    await vi.waitFor(() => expect(keeps.mock.calls.length).toBeGreaterThan(6));
    expect(server.registry.isLive(agent.client.node.name)).toBe(true);
  });

  it("a quick reconnect does not flap", async () => {
    const server = await fabric.server({ limits: { liveTtlMs: 1000, heartbeatIntervalMs: 100 } });
    const node = fabric.identity();
    const first = await joined(server, { node });
    const flaps: boolean[] = [];
    server.registry.onChange(() => flaps.push(server.registry.isLive(node.name)));
    await first.client.close();
    await joined(server, { node });
    const watched = fabric.clock.monotonicMs();
    await vi.waitFor(() => expect(fabric.clock.monotonicMs() - watched).toBeGreaterThan(1300));
    expect(flaps).not.toContain(false);
  });

  it("refuses a second live agent with the same name and another id, here and at another server", async () => {
    const [one, two] = [await fabric.server(), await fabric.server()];
    const first = await joined(one);
    for (const server of [one, two]) {
      const impostor = fabric.agent([server.address], { node: fabric.identity(first.client.node.name) });
      await vi.waitFor(() => expect(impostor.client.state.error?.code).toBe("CONTROL_NODE_NAME_TAKEN"));
    }
    expect(first.client.state.connected).toBe(true);
    expect(one.registry.node(first.client.node.name)?.id).toBe(first.client.node.id);
  });

  it("the same id again takes over from its older stream", async () => {
    const server = await fabric.server();
    const node = fabric.identity();
    const old = await joined(server, { node, limits: { backoffMinMs: 60_000, backoffMaxMs: 60_000 } });
    await joined(server, { node });
    await vi.waitFor(() =>
      expect(old.events.some((e) => e.kind === "disconnected" && e.error.code === "CONTROL_REPLACED")).toBe(
        true,
      ),
    );
  });

  it.each([
    ["a name that is no host name", { name: "a/b" }],
    ["an id that is no UUID", { id: "x" }],
    ["an address that is none", { address: "1.2.3" as ReturnType<typeof parseIp> }],
    ["no underlay", { underlay: [] }],
  ])("refuses %s", async (_name, wrong) => {
    const server = await fabric.server();
    const agent = fabric.agent([server.address], { node: { ...fabric.identity(), ...wrong } });
    await vi.waitFor(() => expect(agent.client.state.error?.code).toBe("CONTROL_INVALID_NODE"));
  });

  it("waits for onJoined before anything else uses the connection", async () => {
    const server = await fabric.server();
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const epochs: number[] = [];
    const agent = fabric.agent([server.address], {
      onJoined: async ({ epoch }) => {
        epochs.push(epoch);
        await held;
      },
    });
    await vi.waitFor(() => expect(epochs).toHaveLength(1));
    expect(agent.client.state.connected).toBe(false);
    release();
    await connected(agent);
  });
});

describe("terms", () => {
  it("go on with the held epoch, and begin anew without it", async () => {
    const server = await fabric.server();
    const node = fabric.identity();
    const first = await joined(server, { node });
    const welcome = first.client.state.welcome;
    const epoch = welcome?.epoch ?? 0;
    await first.client.close();
    const second = await joined(server, { node, heldTerm: () => ({ storeId: fabric.store.id, epoch }) });
    expect(second.client.state.welcome?.epoch).toBe(epoch);
    await second.client.close();
    const foreign = await joined(server, { node, heldTerm: () => ({ storeId: "another", epoch }) });
    expect(foreign.client.state.welcome?.epoch).toBeGreaterThan(epoch);
  });

  it("are renewed, counted from when the heartbeat was sent", async () => {
    const server = await fabric.server({ limits: { heartbeatIntervalMs: 30, renewEveryMs: 60 } });
    const renewals: { epoch: number; sentAtMs: number; nowMs: number }[] = [];
    const agent = await joined(server, {
      onRenewed: ({ epoch, sentAtMs }) =>
        renewals.push({ epoch, sentAtMs, nowMs: fabric.clock.monotonicMs() }),
    });
    await vi.waitFor(() => expect(renewals.length).toBeGreaterThan(2));
    for (const { epoch, sentAtMs, nowMs } of renewals) {
      expect(epoch).toBe(agent.client.state.welcome?.epoch);
      expect(sentAtMs).toBeLessThanOrEqual(nowMs);
    }
  });

  it("that were ended make the agent join again in a new one, at the server that said so", async () => {
    const server = await fabric.server({ limits: { heartbeatIntervalMs: 30, renewEveryMs: 30 } });
    const other = await fabric.server();
    const agent = fabric.agent([server.address, other.address], { limits: { stableAfterMs: 0 } });
    await connected(agent);
    const epoch = agent.client.state.welcome?.epoch ?? 0;
    await fabric.pools.forgetNode(agent.client.node.name);
    await vi.waitFor(() => expect(agent.client.state.welcome?.epoch).toBeGreaterThan(epoch));
    expect(agent.client.state.address).toBe(server.address);
  });
});

describe("views", () => {
  it("give a snapshot, then what changes", async () => {
    const server = await fabric.server();
    const agent = await joined(server);
    const view = agent.client.subscribe("service/web");
    await view.whenReady();
    expect(view.items.size).toBe(0);
    const { name } = agent.client.node;
    const changes: string[][] = [];
    view.onChange(({ puts, deletes }) => changes.push([...puts.keys(), ...deletes.map((key) => `-${key}`)]));
    await server.writer.registerService(service(name, "w/1", { name: "web" }));
    await vi.waitFor(() => expect(view.items.size).toBe(1));
    const item = view.items.get(`${name}/w%2F1`) as ServiceViewItem;
    expect(item).toMatchObject({
      node: { name },
      service: { id: "w/1" },
      checks: [{ id: "serfHealth", status: "passing" }],
    });
    await server.writer.deregisterService(name, "w/1");
    await vi.waitFor(() => expect(view.items.size).toBe(0));
    expect(changes).toEqual([[`${name}/w%2F1`], [`-${name}/w%2F1`]]);
    expect(view.ageMs()).toBeLessThan(5000);
  });

  it("of service, node and address turn critical when the node is lost", async () => {
    const server = await fabric.server({ limits: { liveTtlMs: 500 } });
    const reader = await joined(server);
    const other = await joined(server, { node: fabric.identity("lost") });
    await server.writer.registerService(service("lost", "db", { address: "192.0.2.99" }));
    const views = ["service/db", "node/lost", "reverse/192.0.2.99"].map((name) =>
      reader.client.subscribe(name),
    );
    await Promise.all(views.map((view) => view.whenReady()));
    expect(views[2]?.items).toEqual(
      new Map([["service/lost/db", { kind: "service", name: "db", node: "lost" }]]),
    );
    await other.client.close();
    for (const [view, key] of [
      [views[0], "lost/db"],
      [views[1], "node"],
    ] as const) {
      await vi.waitFor(() =>
        expect(view?.items.get(key)).toMatchObject({ checks: [{ id: "serfHealth", status: "critical" }] }),
      );
    }
  });

  it("fabric holds the raw entries of networks, blocks and nodes", async () => {
    const server = await fabric.server();
    const agent = await joined(server);
    await fabric.createNetwork();
    const view = agent.client.subscribe("fabric");
    await view.whenReady();
    await vi.waitFor(() =>
      expect([...view.items.keys()].sort()).toEqual([
        `catalog/nodes/${agent.client.node.name}`,
        "ipam/networks/web",
      ]),
    );
    const source = controlBlockSource(agent.client, view);
    const claim = await source.claimBlock({ network: "web", pool: parseCidr("10.1.0.0/24"), held: [] });
    await vi.waitFor(() =>
      expect(view.items.get(ipamKeys.block("web", claim.cidr))).toMatchObject({
        node: agent.client.node.name,
      }),
    );
    await source.releaseBlock(claim);
    await vi.waitFor(() => expect(view.items.has(ipamKeys.block("web", claim.cidr))).toBe(false));
  });

  it("do not send what no answer is made from", async () => {
    const server = await fabric.server();
    const agent = await joined(server);
    const { name } = agent.client.node;
    await server.writer.registerService(service(name, "web"), [check(name, "c", { serviceId: "web" })]);
    const view = agent.client.subscribe("service/web");
    await view.whenReady();
    let changes = 0;
    view.onChange(() => {
      changes += 1;
    });
    await server.writer.updateCheck(name, "c", "passing", "another output");
    await server.writer.updateCheck(name, "c", "critical", "down");
    await vi.waitFor(() =>
      expect(view.items.get(`${name}/web`)).toMatchObject({ checks: [{}, { status: "critical" }] }),
    );
    expect(changes).toBe(1);
  });

  it("of one name share a subscription, which the last handle ends", async () => {
    const server = await fabric.server();
    const agent = await joined(server);
    const [one, two] = [agent.client.subscribe("service/web"), agent.client.subscribe("service/web")];
    await Promise.all([one.whenReady(), two.whenReady()]);
    expect(server.server.status().views).toBe(1);
    one.close();
    await server.writer.registerService(service(agent.client.node.name, "web"));
    await vi.waitFor(() => expect(two.items.size).toBe(1));
    two.close();
    expect(agent.client.state.views).toBe(0);
  });

  it("that do not exist are refused, and so are too many", async () => {
    const server = await fabric.server();
    const agent = await joined(server, { limits: { viewsMax: 3 } });
    for (const name of ["nonsense", "reverse/1.2.3", "service/"]) {
      await expect(agent.client.subscribe(name).whenReady()).rejects.toMatchObject({
        code: "CONTROL_VIEW_UNKNOWN",
      });
    }
    expect(() => agent.client.subscribe("service/x")).toThrow(
      expect.objectContaining({ code: "CONTROL_LIMIT" }),
    );
    expect(agent.client.state.connected).toBe(true);
  });

  it("are refused by the server above its own limit", async () => {
    const server = await fabric.server({ limits: { viewsPerAgentMax: 1 } });
    const agent = await joined(server);
    await agent.client.subscribe("service/a").whenReady();
    await expect(agent.client.subscribe("service/b").whenReady()).rejects.toMatchObject({
      code: "CONTROL_LIMIT",
    });
  });

  it("of many parts arrive whole", async () => {
    const server = await fabric.server({ limits: { viewPartBytes: 200, sendWindowBytes: 300 } });
    const agent = await joined(server);
    const { name } = agent.client.node;
    const services = Array.from({ length: 60 }, (_, n) => service(name, `w${n}`, { name: "web" }));
    await server.writer.syncNode(name, agent.client.state.welcome?.epoch ?? 0, {
      full: true,
      services,
      checks: [],
    });
    const view = agent.client.subscribe("service/web");
    const sizes: number[] = [];
    view.onChange(() => sizes.push(view.items.size));
    await view.whenReady();
    expect(sizes).toEqual([60]);
  });
});

describe("cache", () => {
  it("answers without a server from the last view, and then goes on", async () => {
    const server = await fabric.server();
    await fabric.createNetwork();
    const cache = storeViewCache(fabric.store);
    const first = await joined(server, { cache });
    await first.client.subscribe("fabric").whenReady();
    await first.client.close();
    const headless = fabric.agent(["127.0.0.1:1"], { cache, node: first.client.node });
    const view = headless.client.subscribe("fabric");
    await view.whenReady();
    expect(headless.client.state.connected).toBe(false);
    expect(view.items.get("ipam/networks/web")).toMatchObject({ name: "web" });
    expect(controlBlockSource(headless.client, view).network("web")?.name).toBe("web");
    await expect(
      controlBlockSource(headless.client, view).claimBlock({
        network: "web",
        pool: parseCidr("10.1.0.0/24"),
        held: [],
      }),
    ).rejects.toMatchObject({ code: "CONTROL_UNAVAILABLE" });
    await headless.client.close();
    await fabric.pools.deleteNetwork("web");
    const back = fabric.agent([server.address], { cache, node: first.client.node });
    const fresh = back.client.subscribe("fabric");
    await vi.waitFor(() => expect(fresh.items.has("ipam/networks/web")).toBe(false));
  });
});

describe("registrations", () => {
  function source(node: string) {
    const listeners = new Set<() => void>();
    const state = {
      services: [service(node, "web")],
      checks: [check(node, "c", { serviceId: "web", serviceName: "web" })],
    };
    return {
      state,
      changed: () => {
        for (const listener of listeners) listener();
      },
      registrations: () => state,
      onChange: (listener: () => void) => {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    };
  }

  it("are in the catalog after flush(), follow changes, and are repaired", async () => {
    const server = await fabric.server();
    const node = fabric.identity();
    const registrations = source(node.name);
    const agent = await joined(server, { node, registrations, limits: { antiEntropyMs: 100 } });
    const revision = await agent.client.flushRegistrations();
    expect(revision).toBeGreaterThan(0);
    expect(server.registry.servicesOfNode(node.name).map(({ id }) => id)).toEqual(["web"]);
    registrations.state.services = [service(node.name, "db")];
    registrations.state.checks = [];
    registrations.changed();
    await agent.client.flushRegistrations();
    expect(server.registry.servicesOfNode(node.name).map(({ id }) => id)).toEqual(["db"]);
    await server.writer.registerService(service(node.name, "stray"));
    await server.writer.deregisterService(node.name, "db");
    await vi.waitFor(() =>
      expect(server.registry.servicesOfNode(node.name).map(({ id }) => id)).toEqual(["db"]),
    );
  });

  it("that the server holds already are not sent again", async () => {
    const server = await fabric.server();
    const node = fabric.identity();
    const registrations = source(node.name);
    const first = await joined(server, { node, registrations });
    await first.client.flushRegistrations();
    await first.client.close();
    const writes = vi.spyOn(server.writer, "syncNode");
    const second = await joined(server, { node, registrations, heldTerm: () => first.client.state.welcome });
    await vi.waitFor(() => expect(second.client.state.connected).toBe(true));
    await second.client.subscribe("service/web").whenReady();
    expect(writes).not.toHaveBeenCalled();
  });

  it("that are refused are tried again", async () => {
    const server = await fabric.server();
    const node = fabric.identity();
    const registrations = source(node.name);
    const refusal = new FabricError("REGISTRY_NODE_NOT_FOUND", "not yet");
    vi.spyOn(server.writer, "syncNode").mockRejectedValueOnce(refusal);
    const agent = await joined(server, { node, registrations, limits: { registrationRetryMinMs: 20 } });
    await vi.waitFor(() => expect(server.registry.servicesOfNode(node.name)).toHaveLength(1));
    expect(agent.events).toContainEqual({
      kind: "failed",
      action: "sync registrations",
      error: expect.objectContaining({ code: "REGISTRY_NODE_NOT_FOUND" }),
    });
  });
});

describe("calls", () => {
  it("carry errors whole", async () => {
    const server = await fabric.server();
    const agent = await joined(server);
    await fabric.createNetwork();
    const view = agent.client.subscribe("fabric");
    const source = controlBlockSource(agent.client, view);
    const owner = { containerId: "c1", ifname: "eth0" };
    const outside = source.claimStatic({ network: "web", ip: parseIp("10.9.9.9"), owner });
    await expect(outside).rejects.toMatchObject({
      name: "FabricError",
      code: "IPAM_ADDRESS_OUTSIDE",
      details: expect.anything(),
    });
    const claim = await source.claimStatic({ network: "web", ip: parseIp("10.1.0.77"), owner });
    expect(claim).toMatchObject({ node: agent.client.node.name, ip: "10.1.0.77", owner });
    await source.releaseStatic(claim);
    await expect(source.releaseStatic({ ...claim, node: "other" })).resolves.toBeUndefined();
    const stale = vi
      .spyOn(agent.client, "state", "get")
      .mockReturnValue({ ...agent.client.state, welcome: { epoch: 1 } as never });
    await expect(
      source.claimBlock({ network: "web", pool: parseCidr("10.1.0.0/24"), held: [] }),
    ).rejects.toMatchObject({ code: "IPAM_STALE_EPOCH" });
    stale.mockRestore();
  });

  it("forward HTTP both ways, with the headers that matter", async () => {
    const seen: unknown[] = [];
    const server = await fabric.server({
      http: async (request) => {
        seen.push({ ...request, body: Buffer.from(request.body).toString() });
        return {
          status: 201,
          headers: [
            { name: "X-Consul-Index", value: "7" },
            { name: "Set-Cookie", value: "no" },
          ],
          body: Buffer.from("answer"),
        };
      },
    });
    const agent = await joined(server);
    const headers = [
      { name: "X-Consul-Token", value: "t" },
      { name: "Host", value: "no" },
    ];
    const response = await agent.client.http({
      method: "PUT",
      target: "/v1/kv/a?cas=0",
      headers,
      body: Buffer.from("x"),
    });
    expect(seen).toEqual([
      {
        node: agent.client.node.name,
        method: "PUT",
        target: "/v1/kv/a?cas=0",
        headers: [{ name: "x-consul-token", value: "t" }],
        body: "x",
      },
    ]);
    expect({ ...response, body: Buffer.from(response.body).toString() }).toEqual({
      status: 201,
      headers: [{ name: "x-consul-index", value: "7" }],
      body: "answer",
    });
  });

  it("end at the server when their caller gives up or their time is over", async () => {
    const begun: string[] = [];
    const ended: string[] = [];
    const server = await fabric.server({
      http: ({ target }, signal) =>
        new Promise((_, reject) => {
          begun.push(target);
          signal.addEventListener("abort", () => {
            ended.push(target);
            reject(new FabricError("CONTROL_TIMEOUT", "gone"));
          });
        }),
    });
    const agent = await joined(server);
    const request = { method: "GET", headers: [], body: new Uint8Array() };
    const giving = new AbortController();
    const first = agent.client.http({ ...request, target: "/a" }, { signal: giving.signal });
    const second = agent.client.http({ ...request, target: "/b" }, { timeoutMs: 200 });
    second.catch(() => undefined);
    await vi.waitFor(() => expect(begun).toContain("/a"));
    giving.abort(new FabricError("CONTROL_CLOSED", "enough"));
    await expect(first).rejects.toMatchObject({ message: "enough" });
    await expect(second).rejects.toMatchObject({ code: "CONTROL_TIMEOUT" });
    await vi.waitFor(() => expect(ended.sort()).toEqual(["/a", "/b"]));
  });

  it("are bounded at both ends, and so are messages", async () => {
    const server = await fabric.server({
      http: (_, signal) =>
        new Promise((_resolve, reject) => void signal.addEventListener("abort", () => reject(signal.reason))),
      limits: { callsPerAgentMax: 2, messageMaxBytes: 10_000 },
    });
    const agent = await joined(server, { limits: { callsMax: 3 } });
    const request = { method: "GET", target: "/", headers: [], body: new Uint8Array() };
    const held = [1, 2].map(() => agent.client.http(request, { timeoutMs: 1000 }).catch(() => undefined));
    const refused = await Promise.allSettled([agent.client.http(request), agent.client.http(request)]);
    expect(refused.map((each) => (each as PromiseRejectedResult).reason.code)).toEqual([
      "CONTROL_LIMIT",
      "CONTROL_LIMIT",
    ]);
    await Promise.all(held);
    await expect(agent.client.http({ ...request, body: new Uint8Array(20_000) })).rejects.toMatchObject({
      code: "CONTROL_LIMIT",
    });
    expect(agent.client.state.connected).toBe(true);
  });

  it("of an unexpected failure say nothing of its cause", async () => {
    const server = await fabric.server({ http: () => Promise.reject(new TypeError("secret")) });
    const agent = await joined(server);
    const request = { method: "GET", target: "/", headers: [], body: new Uint8Array() };
    const failure = await agent.client.http(request).catch((error: FabricError) => error);
    expect(failure).toMatchObject({ code: "CONTROL_INTERNAL" });
    expect(JSON.stringify(failure)).not.toContain("secret");
    expect(server.events).toContainEqual({
      kind: "callFailed",
      method: "http",
      error: expect.objectContaining({ message: "secret" }),
    });
  });

  it("ask agents for empty blocks", async () => {
    const server = await fabric.server({ limits: { emptyBlocksWaitMs: 10 } });
    const wanted: unknown[] = [];
    await joined(server, { onEmptyBlocksWanted: (request) => void wanted.push(request) });
    await server.server.askForEmptyBlocks({ network: "web", deleting: true });
    await vi.waitFor(() => expect(wanted).toEqual([{ network: "web", deleting: true }]));
  });
});

describe("fail-over", () => {
  it("reaches another server within a second, and views go on without a snapshot", async () => {
    const [one, two] = [await fabric.server(), await fabric.server()];
    const agent = fabric.agent([one.address, two.address]);
    await connected(agent);
    const view = agent.client.subscribe("service/web");
    await view.whenReady();
    const lostAtMs = fabric.clock.monotonicMs();
    await one.close();
    await vi.waitFor(
      () => expect(agent.client.state).toMatchObject({ connected: true, address: two.address }),
      { interval: 5 },
    );
    expect(fabric.clock.monotonicMs() - lostAtMs).toBeLessThan(1000);
    await two.writer.registerService(service(agent.client.node.name, "web"));
    await vi.waitFor(() => expect(view.items.size).toBe(1));
  });

  it("passes over servers that are not there, or that take connections and are silent", async () => {
    const server = await fabric.server();
    const { createServer } = await import("node:net");
    const silent = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => silent.once("listening", resolve));
    const address = `127.0.0.1:${(silent.address() as { port: number }).port}`;
    const closed = new Promise((resolve) =>
      silent.once("connection", (socket) =>
        socket
          .on("close", resolve)
          .on("error", () => undefined)
          .resume(),
      ),
    );
    const one = await fabric.server();
    const agent = fabric.agent([one.address, "127.0.0.1:1", address, server.address]);
    await connected(agent);
    const lostAtMs = fabric.clock.monotonicMs();
    await one.close();
    await vi.waitFor(
      () => expect(agent.client.state).toMatchObject({ connected: true, address: server.address }),
      { interval: 5 },
    );
    expect(fabric.clock.monotonicMs() - lostAtMs).toBeLessThan(1000);
    expect(agent.events.filter((event) => event.kind === "refused")).toHaveLength(1);
    await closed;
    silent.close();
  });

  it("notices a server that has stopped answering", async () => {
    const server = await fabric.server({ limits: { heartbeatIntervalMs: 50, deadAfterMs: 200 } });
    const { createServer } = await import("node:net");
    const port = Number(server.address.split(":")[1]);
    // Frozen, it tells neither side of the other's end: each has to notice the silence by itself.
    let frozen = false;
    const whole = new AbortController();
    const proxy = createServer((socket) => {
      const far = connectTcp(port, "127.0.0.1");
      socket.on("data", (bytes) => frozen || far.write(bytes));
      far.on("data", (bytes) => frozen || socket.write(bytes));
      const ends = [socket, far];
      for (const end of ends) end.on("error", () => undefined);
      for (const end of ends) end.on("close", () => frozen || ends.forEach((each) => void each.destroy()));
      whole.signal.addEventListener("abort", () => ends.forEach((each) => void each.destroy()));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => proxy.once("listening", resolve));
    const agent = fabric.agent([`127.0.0.1:${(proxy.address() as { port: number }).port}`]);
    await connected(agent);
    frozen = true;
    await vi.waitFor(() => expect(agent.client.state.error?.code).toBe("CONTROL_TIMEOUT"));
    await vi.waitFor(() =>
      expect(server.events).toContainEqual({
        kind: "left",
        node: agent.client.node.name,
        error: expect.objectContaining({ code: "CONTROL_TIMEOUT" }),
      }),
    );
    whole.abort();
    proxy.close();
  });
});

describe("a server that has lost its store", () => {
  it("says how long ago to an agent that knows no other, until it has it again", async () => {
    const server = await fabric.server({ limits: { liveTtlMs: 400, heartbeatIntervalMs: 50 } });
    const { client } = await joined(server);
    expect(client.state.storeSilentMs).toBeUndefined();
    const told: (number | undefined)[] = [];
    client.onState(({ connected, storeSilentMs }) => void (connected && told.push(storeSilentMs)));
    const keeps = vi.spyOn(fabric.store, "keepAlive");
    keeps.mockRejectedValue(new FabricError("STORE_UNAVAILABLE", "keep a lease: nobody answers"));
    await vi.waitFor(() => expect(client.state.storeSilentMs).toBeGreaterThan(300), { timeout: 5000 });
    expect(client.state.connected).toBe(true);
    keeps.mockRestore();
    await vi.waitFor(() => expect(told.at(-1)).toBeUndefined(), { timeout: 5000 });
    expect(told).toEqual([expect.any(Number), undefined]);
    expect(told[0]).toBeGreaterThanOrEqual(200);
  });
});

describe("strangers", () => {
  it("sending garbage do the server no harm", async () => {
    const server = await fabric.server({ limits: { helloTimeoutMs: 200 } });
    const agent = await joined(server);
    const port = Number(server.address.split(":")[1]);
    for (const bytes of [
      Buffer.alloc(5000, 0xff),
      Buffer.from("GET / HTTP/1.1\r\n\r\n"),
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nxxxxxxxxxxxxxxxxxxx"),
    ]) {
      const socket = connectTcp(port, "127.0.0.1");
      socket.on("error", () => undefined);
      await new Promise((resolve) => socket.write(bytes, resolve));
      socket.destroy();
    }
    const stranger = new Client(server.address, credentials.createInsecure());
    const raw = (value: Buffer) => value;
    const statusOf = (path: string, message: Buffer) =>
      new Promise<ServiceError | null>((resolve) =>
        stranger.makeUnaryRequest(path, raw, raw, message, (error) => resolve(error)),
      );
    for (const method of [
      "ClaimBlock",
      "ReleaseBlock",
      "ClaimStatic",
      "ReleaseStatic",
      "Relinquish",
      "Http",
      "Nonsense",
    ]) {
      expect(await statusOf(`/heddle.control.v1.Control/${method}`, Buffer.alloc(100, 0xff))).not.toBeNull();
      if (method !== "Http" && method !== "Relinquish")
        expect(await statusOf(`/heddle.control.v1.Control/${method}`, Buffer.alloc(0))).not.toBeNull();
    }
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(64, 0xff), Buffer.from([0x12, 0x00])]) {
      const stream = stranger.makeBidiStreamRequest("/heddle.control.v1.Control/Session", raw, raw);
      const ended = new Promise((resolve) => stream.on("error", resolve));
      stream.on("data", () => undefined);
      stream.write(bytes);
      await ended;
    }
    const mute = stranger.makeBidiStreamRequest("/heddle.control.v1.Control/Session", raw, raw);
    await expect(new Promise((_, reject) => mute.on("error", reject).resume())).rejects.toMatchObject({
      details: "CONTROL_TIMEOUT",
    });
    stranger.close();
    expect(agent.client.state.connected).toBe(true);
    const view = agent.client.subscribe("service/web");
    await view.whenReady();
  });

  it("are not let in over plain text unless the operator says so", async () => {
    await expect(fabric.server({ listen: "0.0.0.0:0" })).rejects.toMatchObject({ code: "CONTROL_INSECURE" });
    await expect(fabric.server({ listen: "[::]:0" })).rejects.toMatchObject({ code: "CONTROL_INSECURE" });
    const open = await fabric.server({ listen: "0.0.0.0:0", insecure: true });
    expect(open.events).toContainEqual({ kind: "exposed", address: open.address });
  });
});

describe("listen()", () => {
  it("takes over a socket that nobody listens on, and no other", async () => {
    const address = fabric.socketAddress();
    const first = await fabric.server({ listen: address });
    await expect(fabric.server({ listen: address })).rejects.toMatchObject({ code: "CONTROL_LISTEN_FAILED" });
    await joined(first);
    const { port } = new URL(`http://${(await fabric.server()).address}`);
    await expect(fabric.server({ listen: `127.0.0.1:${port}` })).rejects.toMatchObject({
      code: "CONTROL_LISTEN_FAILED",
    });
    await expect(
      fabric.server({ listen: `unix:${new URL(import.meta.url).pathname}` }),
    ).rejects.toMatchObject({ code: "CONTROL_LISTEN_FAILED" });
    expect(readFileSync(new URL(import.meta.url).pathname).length).toBeGreaterThan(0);
  });
});

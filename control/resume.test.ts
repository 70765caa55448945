/** Views over real connections that break: what is sent again, and what the agent sees meanwhile. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { create } from "@bufbuild/protobuf";
import { Client, type ClientDuplexStream, credentials } from "@grpc/grpc-js";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { service, TestFabric } from "../test/control/fabric.ts";
import { controlService, protocolVersion } from "./control-service.ts";
import type { ServiceViewItem } from "./index.ts";
import {
  type AgentMessage,
  AgentMessageSchema,
  HelloSchema,
  type ServerMessage,
  SubscribeSchema,
} from "./proto/gen/fabric_pb.ts";
import { SharedView } from "./server/views/shared-view.ts";

let fabric: TestFabric;
const proxies: BreakableLink[] = [];
beforeEach(() => {
  fabric = new TestFabric();
});
afterEach(async () => {
  await fabric.close();
  for (const proxy of proxies.splice(0)) proxy.close();
});

/** A TCP link that can be cut, or stop to carry towards the agent. */
class BreakableLink {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(port: number) {
    proxies.push(this);
    this.#server = createServer((near) => {
      const far = connect(port, "127.0.0.1");
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(from);
        from.pipe(to);
        from.on("error", () => undefined).on("close", () => to.destroy());
      }
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

async function link(address: string): Promise<{ readonly link: BreakableLink; readonly address: string }> {
  const made = new BreakableLink(portOf(address));
  return { link: made, address: await made.listen() };
}

it("a reconnect sends only what was missed: nothing, or the changes", async () => {
  const server = await fabric.server();
  const path = await link(server.address);
  const agent = fabric.agent([path.address]);
  const view = agent.client.subscribe("service/web");
  await view.whenReady();
  const other = fabric.agent([server.address]);
  await vi.waitFor(() => expect(other.client.state.connected).toBe(true));
  const node = other.client.node.name;
  for (let n = 0; n < 20; n += 1)
    await server.writer.registerService(service(node, `w${n}`, { name: "web" }));
  await vi.waitFor(() => expect(view.items.size).toBe(20));

  const unchanged = vi.spyOn(SharedView.prototype, "unchanged");
  const update = vi.spyOn(SharedView.prototype, "updateFrom");
  const reconnects = () => agent.events.filter(({ kind }) => kind === "connected").length;
  path.link.cut();
  await vi.waitFor(() => expect(reconnects()).toBe(2));
  await vi.waitFor(() => expect(unchanged).toHaveBeenCalledTimes(1));
  expect(update).not.toHaveBeenCalled();

  const changes: number[] = [];
  view.onChange(({ puts, deletes }) => changes.push(puts.size + deletes.length));
  path.link.cut();
  await server.writer.deregisterService(node, "w3");
  await vi.waitFor(() => expect(view.items.size).toBe(19));
  await vi.waitFor(() => expect(agent.client.state.connected).toBe(true));
  expect(changes).toEqual([1]);
  vi.restoreAllMocks();
});

it("another server continues a view that it has never sent", async () => {
  const [one, two] = [await fabric.server(), await fabric.server()];
  const path = await link(one.address);
  const agent = fabric.agent([path.address, two.address]);
  const view = agent.client.subscribe("service/web");
  await view.whenReady();
  await one.writer.registerService(service(agent.client.node.name, "web"));
  await vi.waitFor(() => expect(view.items.size).toBe(1));
  const unchanged = vi.spyOn(SharedView.prototype, "unchanged");
  path.link.cut();
  await vi.waitFor(() => expect(agent.client.state).toMatchObject({ connected: true, address: two.address }));
  await vi.waitFor(() => expect(unchanged).toHaveBeenCalledTimes(1));
  vi.restoreAllMocks();
});

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("register" as const), id: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("deregister" as const), id: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("cut" as const), link: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("turn" as const), turns: fc.nat(20) }) },
);

it("cut at random points, an agent's view ends equal to the server's and never goes back", {
  timeout: 60_000,
}, async () => {
  const [one, two] = [await fabric.server(), await fabric.server()];
  const owner = fabric.agent([one.address]);
  await vi.waitFor(() => expect(owner.client.state.connected).toBe(true));
  const node = owner.client.node.name;
  const links = [await link(one.address), await link(two.address)] as const;
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 40 }), async (actions) => {
      round += 1;
      const name = `web${round}`;
      const agent = fabric.agent(links.map(({ address }) => address));
      const view = agent.client.subscribe(`service/${name}`);
      let lastRevision = 0;
      const lastPorts = new Map<string, number>();
      view.onChange(({ puts }) => {
        expect(view.revision).toBeGreaterThanOrEqual(lastRevision);
        lastRevision = view.revision;
        for (const [key, value] of puts) {
          const { port } = (value as ServiceViewItem).service;
          expect(port).toBeGreaterThan(lastPorts.get(key) ?? 0);
          lastPorts.set(key, port);
        }
      });
      let port = 0;
      for (const each of actions) {
        switch (each.kind) {
          case "register":
            port += 1;
            await one.writer.registerService(service(node, `${name}-${each.id}`, { name, port }));
            break;
          case "deregister":
            await one.writer.deregisterService(node, `${name}-${each.id}`);
            break;
          case "cut":
            links[each.link as 0 | 1].link.cut();
            break;
          case "turn":
            for (let n = 0; n < each.turns; n += 1) await new Promise((resolve) => setImmediate(resolve));
            break;
          default:
            each satisfies never;
        }
      }
      const expected = one.registry.service(name).map((each) => [each.service.id, each.service.port]);
      await vi.waitFor(
        () => {
          expect(view.ready).toBe(true);
          const seen = [...view.items.values()] as ServiceViewItem[];
          expect(seen.map((each) => [each.service.id, each.service.port]).sort()).toEqual(expected);
        },
        { interval: 5 },
      );
      await agent.client.close();
    }),
    { numRuns: 25, endOnFailure: true },
  );
});

it("an agent that does not read costs a bounded window, and then gets the latest state", async () => {
  const limits = { sendWindowBytes: 20_000, viewPartBytes: 5000, historyChangesMax: 8, deadAfterMs: 60_000 };
  const server = await fabric.server({ limits });
  const owner = fabric.agent([server.address]);
  await vi.waitFor(() => expect(owner.client.state.connected).toBe(true));
  const node = owner.client.node.name;
  const stream = await rawSession(server.address);
  stream.pause();
  const encoded = vi.spyOn(SharedView.prototype, "updateFrom");
  const meta = { text: "x".repeat(100_000) };
  for (let port = 1; port <= 200; port += 1) {
    await server.writer.registerService(
      service(node, "web", { port, meta: { ...meta, port: String(port) } }),
    );
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  // 20 MB have changed. Beside the window only what the transport itself buffers can have been made.
  const madeWhileBlocked = encoded.mock.calls.length;
  expect(madeWhileBlocked).toBeLessThan(60);
  let last = 0;
  stream.on("data", ({ kind }: ServerMessage) => {
    if (kind.case !== "view" || (kind.value.body.case !== "snapshot" && kind.value.body.case !== "delta"))
      return;
    for (const { json } of kind.value.body.value.puts)
      last = (JSON.parse(json) as ServiceViewItem).service.port;
  });
  stream.resume();
  await vi.waitFor(() => expect(last).toBe(200));
  stream.cancel();
  vi.restoreAllMocks();
});

/** A session without a client behind it: it has joined and subscribed, and nothing else. */
async function rawSession(address: string): Promise<ClientDuplexStream<AgentMessage, ServerMessage>> {
  const client = new Client(address, credentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = controlService.session;
  const stream = client.makeBidiStreamRequest(
    path,
    requestSerialize,
    responseDeserialize as (bytes: Buffer) => ServerMessage,
  );
  stream.on("error", () => client.close());
  const { name: node, ...identity } = fabric.identity();
  const hello = create(HelloSchema, {
    ...identity,
    node,
    underlay: [...identity.underlay],
    protocol: protocolVersion,
  });
  stream.write(create(AgentMessageSchema, { kind: { case: "hello", value: hello } }));
  await new Promise((resolve) => stream.once("data", resolve));
  const subscribe = create(SubscribeSchema, { view: "service/web", revision: 0n, digest: 0n });
  stream.write(create(AgentMessageSchema, { kind: { case: "subscribe", value: subscribe } }));
  await new Promise((resolve) => stream.once("data", resolve));
  return stream;
}

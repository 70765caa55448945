/** Servers and agents of the control protocol in one process: real gRPC on loopback or a socket, a store in memory. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseCidr, parseIp, parseMac } from "../../addr/index.ts";
import { type Clock, systemClock } from "../../clock/index.ts";
import {
  type AgentIdentity,
  ControlClient,
  type ControlClientOptions,
  type ControlEvent,
  ControlServer,
  type ControlServerEvent,
  type ControlServerOptions,
  type HttpHandler,
} from "../../control/index.ts";
import { PoolAuthority } from "../../ipam/index.ts";
import { type CheckRecord, Registry, RegistryWriter, type ServiceRecord } from "../../registry/index.ts";
import { MemoryStore } from "../../store/index.ts";

export interface TestServer {
  readonly server: ControlServer;
  readonly registry: Registry;
  readonly writer: RegistryWriter;
  readonly address: string;
  readonly events: ControlServerEvent[];
  close(): Promise<void>;
}

export class TestFabric {
  readonly clock: Clock;
  readonly store: MemoryStore;
  readonly pools: PoolAuthority;
  readonly #closers: (() => Promise<void> | void)[] = [];
  #nodes = 0;

  constructor(clock: Clock = systemClock, options: ConstructorParameters<typeof PoolAuthority>[2] = {}) {
    this.clock = clock;
    this.store = new MemoryStore({ clock });
    this.pools = new PoolAuthority(this.store, clock, options);
  }

  /** Another server over the same store. */
  async server(
    options: Partial<ControlServerOptions> & { readonly listen?: string; readonly http?: HttpHandler } = {},
  ): Promise<TestServer> {
    const { store, clock, pools } = this;
    const registry = await Registry.open({ store, clock, datacenter: "dc1" });
    const writer = new RegistryWriter({ store, registry, clock });
    const events: ControlServerEvent[] = [];
    const server = new ControlServer({
      name: "s",
      version: "test",
      registry,
      writer,
      pools,
      store,
      http: async () => ({ status: 404, headers: [], body: new Uint8Array() }),
      httpStream: async ({ body }) => ({ status: 404, headers: [], body }),
      clock,
      log: (event) => void events.push(event),
      ...options,
    });
    const address = await server.listen(options.listen ?? "127.0.0.1:0");
    let closed: Promise<void> | undefined;
    const close = () => {
      closed ??= server.close().then(() => registry.close());
      return closed;
    };
    this.#closers.push(close);
    return { server, registry, writer, address, events, close };
  }

  socketAddress(): string {
    const directory = mkdtempSync(join(tmpdir(), "heddle-"));
    this.#closers.push(() => rmSync(directory, { recursive: true }));
    return `unix:${join(directory, "control.sock")}`;
  }

  identity(name = `n${++this.#nodes}`, id: string = randomUUID()): AgentIdentity {
    return {
      name,
      id,
      version: "test",
      address: parseIp("192.0.2.7"),
      zone: "a",
      underlay: [parseIp("192.0.2.7")],
      vtepMac: parseMac("02:00:00:00:00:07"),
      vxlanPort: 4789,
      meta: {},
      taggedAddresses: {},
    };
  }

  agent(servers: readonly string[], options: Partial<ControlClientOptions> = {}): TestAgent {
    const events: ControlEvent[] = [];
    const client = new ControlClient({
      servers,
      node: this.identity(),
      clock: this.clock,
      limits: { backoffMinMs: 10, backoffMaxMs: 50, ...options.limits },
      log: (event) => void events.push(event),
      ...options,
    });
    this.#closers.push(() => client.close());
    client.start();
    return { client, events };
  }

  async createNetwork(name = "web"): Promise<void> {
    await this.pools.createNetwork({ name, pools: [{ cidr: parseCidr("10.1.0.0/24") }] } as Parameters<
      PoolAuthority["createNetwork"]
    >[0]);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
    await this.store.close();
  }
}

export interface TestAgent {
  readonly client: ControlClient;
  readonly events: ControlEvent[];
}

export function service(node: string, id: string, more: Partial<ServiceRecord> = {}): ServiceRecord {
  return {
    node,
    id,
    name: id,
    kind: "",
    tags: [],
    address: "",
    port: 80,
    meta: {},
    weights: { passing: 1, warning: 1 },
    enableTagOverride: false,
    taggedAddresses: {},
    ...more,
  };
}

export function check(node: string, id: string, more: Partial<CheckRecord> = {}): CheckRecord {
  return {
    node,
    id,
    name: id,
    status: "passing",
    notes: "",
    output: "",
    serviceId: "",
    serviceName: "",
    serviceTags: [],
    type: "ttl",
    interval: "",
    timeout: "",
    ...more,
  };
}

/**
 * The Docker driver without a machine and without an engine: real address plan, allocator and journal over
 * memory, the in-memory kernel, a clock moved by hand, and an engine that has what the test says it has.
 */
import { type Clock, ManualClock, systemClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import {
  type NetworkRecord,
  type NetworkSpec,
  NodeIpam,
  PoolAuthority,
  storeLeaseJournal,
} from "../../ipam/index.ts";
import { MemoryKernel } from "../../kernel/index.ts";
import { Reconciler } from "../../overlay/index.ts";
import { DockerDriver, EndpointService, type EngineNetwork, type FabricPlan } from "../../plugins/index.ts";
import { MemoryStore, type Store } from "../../store/index.ts";

/** What outlives an agent. */
export interface DockerNode {
  readonly clock: ManualClock;
  readonly kernel: MemoryKernel;
  readonly journal: Store;
  readonly authority: PoolAuthority;
  readonly networks: Map<string, NetworkRecord>;
  /** What the engine says it has; undefined: it does not answer. */
  engine: readonly EngineNetwork[] | undefined;
  /** Stands for a server that does not answer. */
  planHangs: boolean;
  epoch?: number;
}

export interface DockerRig {
  readonly node: DockerNode;
  readonly driver: DockerDriver;
  readonly ipam: NodeIpam;
  readonly endpoints: EndpointService;
  /** A call as an engine makes it. */
  call(method: string, message?: object): Promise<Record<string, unknown>>;
  stop(): Promise<void>;
}

export async function dockerNode(...specs: readonly NetworkSpec[]): Promise<DockerNode> {
  const clock = new ManualClock();
  const authority = new PoolAuthority(new MemoryStore(), clock);
  const networks = new Map<string, NetworkRecord>();
  for (const spec of specs) networks.set(spec.name, await authority.createNetwork(spec));
  const journal = new MemoryStore();
  return { clock, kernel: new MemoryKernel(), journal, authority, networks, engine: [], planHangs: false };
}

/** An agent on the node: again after `stop` is a restart. */
export async function dockerRig(node: DockerNode): Promise<DockerRig> {
  const { clock, kernel, journal, authority, networks } = node;
  const { epoch, reclaimAfterMs } = await authority.joinNode("n1", node.epoch);
  node.epoch = epoch;
  const ipam = await NodeIpam.open({
    journal: storeLeaseJournal(journal, "leases/"),
    source: authority.asBlockSource("n1", () => epoch, networks),
    clock,
    bootClock: { now: () => ({ bootId: "b", steadyMs: clock.monotonicMs(), uptimeMs: clock.monotonicMs() }) },
  });
  await ipam.joined(clock.monotonicMs(), { epoch, reclaimAfterMs });
  const reconciler = new Reconciler({
    kernel,
    journal: { load: async () => undefined, save: async () => undefined },
    clock: systemClock satisfies Clock,
  });
  const endpoints = await EndpointService.open({
    addresses: ipam,
    links: reconciler,
    store: journal,
    clock,
    mtu: () => 1450,
  });
  const driver = await DockerDriver.open({
    store: journal,
    plan: planOf(node),
    addresses: ipam,
    endpoints,
    engine: {
      networks: async () => {
        if (node.engine) return node.engine;
        throw new FabricError("DOCKER_ENGINE_UNREACHABLE", "ask the engine: it does not answer");
      },
    },
    clock,
    hasLink: async (name) => (await kernel.link(name)) !== undefined,
    onPublished: async () => undefined,
  });
  return {
    node,
    driver,
    ipam,
    endpoints,
    call: async (method, message = {}) => {
      const { body } = await driver.plugin.answer(method, Buffer.from(JSON.stringify(message)));
      return body as Record<string, unknown>;
    },
    stop: async () => {
      await driver.close();
      await reconciler.stop();
      ipam.stop();
    },
  };
}

function planOf(node: DockerNode): FabricPlan {
  const { authority, networks } = node;
  return {
    networks: () => [...networks.values()],
    network: (name) => networks.get(name),
    isClaimed: () => false,
    create: async (spec) => {
      if (node.planHangs) return new Promise<never>(() => undefined);
      networks.set(spec.name, await authority.createNetwork(spec));
    },
    remove: async (name) => {
      await authority.deleteNetwork(name);
      networks.delete(name);
    },
  };
}

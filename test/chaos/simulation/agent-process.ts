/**
 * One life of an agent: the real parts of it, wired as daemon/agent.ts wires them, over a disk, a kernel and a way to
 * the servers that are simulated. HTTP, DNS sockets, certificates and container engines are left out.
 */
import { parseIp, parseMac, parseVni } from "../../../addr/index.ts";
import {
  ControlClient,
  controlBlockSource,
  fabricView,
  relinquishTerm,
  storeViewCache,
  type ViewHandle,
} from "../../../control/index.ts";
import { registrationSource } from "../../../daemon/link/server-link.ts";
import { ViewCatalog } from "../../../daemon/names/view-catalog.ts";
import { Dataplane } from "../../../daemon/node/dataplane.ts";
import { openRegistrations, type Registrations } from "../../../daemon/node/registrations.ts";
import { Teardown } from "../../../daemon/process/teardown.ts";
import type { ServiceInstance } from "../../../dns/index.ts";
import { type ServerAt, simulatedChannels } from "./agent-channel.ts";
import type { Disk } from "./disk.ts";
import type { Host } from "./host.ts";
import type { Life, Machine } from "./life.ts";
import { quietLog } from "./quiet-log.ts";
import type { Workloads } from "./workloads.ts";
import type { World } from "./world.ts";

export const serviceName = "web";
const datacenter = "dc1";

export interface AgentProcessOptions {
  readonly world: World;
  readonly life: Life;
  readonly disk: Disk;
  readonly host: Host;
  readonly workloads: Workloads;
  readonly serverAt: ServerAt;
  /** A server confirmed the node's term; asked for at this time of the process's clock. */
  readonly onTerm: (sentAtMs: number) => void;
}

export interface AgentProcess {
  readonly client: ControlClient;
  readonly fabric: ViewHandle;
  readonly registrations: Registrations;
  readonly dataplane: Dataplane;
  /** What DNS would say of the service now; undefined while it waits. */
  names(): readonly ServiceInstance[] | undefined;
  /** DNS would say that it may be out of date. */
  isMarkedStale(): boolean;
  /** As on SIGTERM. */
  stop(): Promise<unknown>;
}

export async function startAgentProcess(options: AgentProcessOptions): Promise<AgentProcess> {
  const { world, life, disk, host, workloads, serverAt, onTerm } = options;
  const { machine, clock } = life;
  const { pace } = world;
  const log = quietLog(world);
  const teardown = new Teardown();
  const journal = await disk.open(life);
  const kernel = await host.open(life);
  const random = () => world.random.next();
  const registrations = await openRegistrations({
    node: machine.name,
    store: journal,
    clock,
    random,
    enableScripts: true,
    ask: () => Promise.reject(new Error("no HTTP here")),
    exec: workloads.exec(life),
    log,
  });
  teardown.add("registrations", () => registrations.close());
  const identity = identityOf(machine);
  const client: ControlClient = new ControlClient({
    servers: world.servers.map(({ name }) => name),
    node: identity,
    channels: simulatedChannels(world, life, serverAt),
    clock,
    random,
    heldTerm: () => dataplane.term.held,
    onJoined: async (welcome) => {
      await dataplane.joined(welcome);
      onTerm(welcome.sentAtMs);
    },
    onRenewed: (term) => {
      world.start(dataplane.renewed(term).then(() => onTerm(term.sentAtMs)));
    },
    onEmptyBlocksWanted: (request) => world.start(dataplane.surrender(request)),
    registrations: registrationSource(registrations.state),
    cache: storeViewCache(journal),
    log: (event) => event.kind === "failed" && log.error(event, event.action),
  });
  const fabric = client.subscribe(fabricView);
  const { name, underlay, vtepMac, vxlanPort, zone } = identity;
  const steady = () => machine.clock.monotonicMs();
  const dataplane = await Dataplane.open(
    {
      kernel,
      journal,
      clock,
      self: { name, underlay, vtepMac, vxlanPort, zone, vni: parseVni(7272) },
      source: controlBlockSource(client, fabric),
      fabric,
      relinquish: (epoch) => relinquishTerm(client, epoch),
      runDir: "/run/heddle",
      log,
      terms: {
        bootClock: {
          now: () => ({ bootId: String(machine.boot), steadyMs: steady(), uptimeMs: steady() }),
        },
        marginMs: world.bug === "no fence" ? -100 * pace.reclaimAfterMs : pace.marginMs,
      },
      netnsExists: (path) => host.hasNetns(path),
    },
    teardown,
  );
  teardown.add("control", () => client.close());
  const catalog = new ViewCatalog(client, clock, datacenter);
  teardown.add("names", () => catalog.close());
  client.start();
  world.start(dataplane.settle());
  return {
    client,
    fabric,
    registrations,
    dataplane,
    names: () => {
      const found = catalog.service(serviceName);
      if (!(found instanceof Promise)) return found ?? [];
      found.catch(() => undefined);
      return undefined;
    },
    isMarkedStale: () => catalog.staleSinceMs() !== undefined,
    stop: () => teardown.run(),
  };
}

/** `n2`: 192.0.2.12 on one link with the others, but n1, which is behind a router. */
export function identityOf({ name }: Machine) {
  const number = Number(name.slice(1));
  const address = parseIp(number === 1 ? "198.51.100.11" : `192.0.2.${10 + number}`);
  return {
    name,
    id: `00000000-0000-4000-9000-00000000000${number}`,
    version: "simulation",
    address,
    zone: "z",
    underlay: [address],
    vtepMac: parseMac(`02:00:00:00:0${number}:00`),
    vxlanPort: 4789,
    meta: {},
    taggedAddresses: {},
  };
}

/**
 * The part of an agent that CNI needs, in this process: sqlite journal, address plan with one node in it, real
 * kernel, reconciler, endpoint service, CNI socket and the installed plugin binary. For tests of CNI alone.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseIp, parseMac, parseVni } from "../../addr/index.ts";
import { systemClock } from "../../clock/index.ts";
import {
  type NetworkSpec,
  NodeIpam,
  PoolAuthority,
  storeLeaseJournal,
  systemBootClock,
} from "../../ipam/index.ts";
import { openKernel } from "../../kernel/index.ts";
import { type HostState, type NodeDesired, Reconciler } from "../../overlay/index.ts";
import { CniPlugin, CniServer, EndpointService, installCni } from "../../plugins/index.ts";
import { MemoryStore, openStore } from "../../store/index.ts";
import { requireWorld } from "../world.ts";

export interface CniAgent {
  readonly socketPath: string;
  readonly binDir: string;
  readonly confDir: string;
  readonly endpoints: EndpointService;
  readonly ipam: NodeIpam;
  readonly reconciler: Reconciler;
  stop(): Promise<void>;
}

export async function startCniAgent(network: NetworkSpec): Promise<CniAgent> {
  requireWorld();
  const directory = mkdtempSync(join(tmpdir(), "heddle-cni-agent-"));
  const socketPath = join(directory, "run", "cni.sock");
  const [binDir, confDir] = [join(directory, "bin"), join(directory, "net.d")];

  const authority = new PoolAuthority(new MemoryStore(), systemClock);
  const networks = new Map([[network.name, await authority.createNetwork(network)]]);
  const { epoch, reclaimAfterMs } = await authority.joinNode("n1");
  const store = await openStore(`sqlite:${join(directory, "agent.db")}`);
  const source = authority.asBlockSource("n1", () => epoch, networks);
  const ipam = await NodeIpam.open({
    journal: storeLeaseJournal(store, "leases/"),
    source,
    clock: systemClock,
    bootClock: systemBootClock(),
  });
  await ipam.joined(systemClock.monotonicMs(), { epoch, reclaimAfterMs });

  const kernel = openKernel();
  let hostState: HostState | undefined;
  const journal = {
    load: async () => hostState,
    save: async (state: HostState) => {
      hostState = state;
    },
  };
  const reconciler = new Reconciler({ kernel, journal });
  const endpoints = await EndpointService.open({
    addresses: ipam,
    links: reconciler,
    store,
    clock: systemClock,
    mtu: () => 1450,
  });
  const desired = (): NodeDesired => ({
    self: {
      name: "n1",
      underlay: [parseIp("127.0.0.1")],
      vtepMac: parseMac("02:00:00:00:00:01"),
      vni: parseVni(7272),
      vxlanPort: 4789,
      zone: "z1",
    },
    networks: [...networks.values()].map(({ name, pools, backend, masquerade, policy }) => {
      return { name, pools: pools.map(({ cidr }) => cidr), backend, masquerade, policy };
    }),
    remotes: [],
    endpoints: endpoints.links(),
  });
  const unsubscribe = endpoints.onChange(() => reconciler.setDesired(desired()));
  reconciler.setDesired(desired());
  await reconciler.reconcileNow();
  reconciler.start();

  const plugin = new CniPlugin({
    endpoints,
    addresses: ipam,
    networks: { network: (name) => networks.get(name) },
    clock: systemClock,
  });
  // The timers of the system clock keep no process alive, so a program that only waits for `stop` would end.
  const alive = setInterval(() => undefined, 60_000);
  const server = await CniServer.listen({
    socketPath,
    clock: systemClock,
    answer: (bytes) => plugin.answer(bytes),
  });
  installCni({ socketPath, binDir, confDir, network: network.name });
  return {
    socketPath,
    binDir,
    confDir,
    endpoints,
    ipam,
    reconciler,
    stop: async () => {
      await server.close();
      unsubscribe();
      await endpoints.idle();
      await reconciler.stop();
      ipam.stop();
      await store.close();
      kernel.close();
      clearInterval(alive);
      rmSync(directory, { recursive: true });
    },
  };
}

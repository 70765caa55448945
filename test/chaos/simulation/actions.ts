/** What may happen next, and how often: the work of workloads and operators, faults, repairs, and time. */
import type { Ip } from "../../../addr/index.ts";
import type { AgentNode } from "./agent-node.ts";
import { type Fabric, networkName } from "./fabric.ts";
import { storeName } from "./store-link.ts";
import type { Action } from "./world.ts";

const wallJumpMs = 3 * 3600 * 1000;
/** A sync of a slow disk. */
const slowMs = [200, 1500, 5000, 30_000] as const;

const waitWeights = [16, 2, 1, 1] as const;

type Act = (node: AgentNode) => Promise<void> | void;

export function actionsOf(fabric: Fabric): readonly Action[] {
  const { world, nodes, keys } = fabric;
  const { random, trace, network, servers, machines, pace } = world;
  const to =
    (kind: Action["kind"]) =>
    (weight: number, what: string, act: Act): Action => ({
      kind,
      weight,
      run: () => {
        const node = random.pick(nodes);
        trace.add(`* ${node.name}: ${what}`);
        return act(node);
      },
    });
  const all = (kind: Action["kind"], weight: number, what: string, run: Action["run"]): Action => ({
    kind,
    weight,
    run: () => {
      trace.add(`* ${what}`);
      return run();
    },
  });
  const [addresses, services, key, fault, repair] = (
    ["addresses", "services", "keys", "fault", "repair"] as const
  ).map(to) as [Adding, Adding, Adding, Adding, Adding];
  const time = (weight: number, [leastMs, mostMs]: readonly [number, number]): Action => ({
    kind: "time",
    weight,
    run: () => fabric.pass(random.between(leastMs, mostMs)),
  });
  const named = () => `10.9.0.${random.between(1, 6)}` as Ip;
  const serverNames = servers.map(({ name }) => name);
  return [
    addresses(14, "allocate", (node) => node.attach(networkName)),
    addresses(3, "allocate by name", (node) => node.attach(networkName, named())),
    all("addresses", 3, "everybody wants addresses", () => {
      for (const node of [...nodes, ...nodes]) world.start(node.attach(networkName));
    }),
    addresses(8, "release", (node) => node.release()),
    addresses(2, "release idle blocks", async ({ process }) => process?.dataplane.ipam.releaseIdleBlocks()),
    addresses(1, "surrender blocks", async ({ process }) =>
      process?.dataplane.surrender({ network: networkName, deleting: false }),
    ),
    addresses(3, "the kernel is changed", async (node) => {
      const what = await node.host.drift();
      trace.add(`  ${what ?? "nothing to change"}`);
    }),
    services(5, "register", (node) => node.register()),
    services(1, "deregister", (node) => node.deregister()),
    services(5, "a workload changes", (node) => node.workloads.change(`web-${random.below(4)}`)),
    key(5, "put", ({ machine }) => keys.put(machine)),
    key(2, "delete", ({ machine }) => keys.delete(machine)),
    key(3, "count", ({ machine }) => keys.count(machine)),
    key(1, "read", ({ machine }) => keys.read(machine)),
    repair(7, "start", (node) => fabric.startNode(node)),
    repair(4, "the disk is well", ({ disk }) => {
      disk.syncMs = 0;
      disk.isFull = false;
    }),
    all("repair", 4, "the network heals", () => network.heal()),
    all("repair", 4, "all go on", async () => {
      for (const machine of machines) await machine.thaw();
    }),
    fault(2, "crash", (node) => node.crash()),
    fault(1, "stop", (node) => node.stop()),
    fault(2, "power off", (node) => node.powerOff()),
    fault(1, "the disk is lost", (node) => node.loseDisk()),
    fault(1, "the disk is slow", ({ disk }) => {
      disk.syncMs = random.pick(slowMs);
    }),
    fault(1, "the disk is full", ({ disk }) => {
      disk.isFull = true;
    }),
    fault(1, "freeze", ({ machine }) => machine.freeze()),
    fault(2, "cut off", ({ name }) => fabric.cutOff(name, serverNames)),
    fault(1, "the wall clock jumps", ({ machine }) =>
      machine.clock.jumpWall(random.between(-wallJumpMs, wallJumpMs)),
    ),
    fault(1, "forget it", (node) => fabric.forget(node, false)),
    fault(1, "it is gone for good", (node) => fabric.forget(node, true)),
    all("fault", 1, "a server restarts", () => fabric.startServer(random.pick(servers))),
    all("fault", 1, "a server freezes", () => random.pick(servers).freeze()),
    all("fault", 1, "a server's wall clock jumps", () =>
      random.pick(servers).clock.jumpWall(random.between(-wallJumpMs, wallJumpMs)),
    ),
    all("fault", 1, "the store is away", () => fabric.cutOff(storeName, serverNames)),
    all("fault", 2, "a link fails", () => fabric.cutLink(random.pick(machines).name)),
    ...pace.waitsMs.map((waitMs, index) => time(waitWeights[index] ?? 1, waitMs)),
  ];
}

type Adding = (weight: number, what: string, act: Act) => Action;

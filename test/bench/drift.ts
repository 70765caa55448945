/**
 * From a change made by somebody to its repair, while the reconciler follows the kernel. Each loss is repaired
 * when the reconciler says that it has done an operation; between two rounds the node is left alone for a while,
 * as drift comes unexpected.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Reconciler } from "../../overlay/index.ts";
import { run } from "../lab/command.ts";
import { fabricOf, openBigNode } from "./big-node.ts";
import { type BenchRow, benchRow } from "./result.ts";

export interface DriftOptions {
  /** Metrics are called `<name>_route_ms` and so on. */
  readonly name: string;
  readonly remotes: number;
  readonly rounds?: number;
}

const budgetMs = 100;
const pauseMs = 300;
const giveUpMs = 10_000;

/** What somebody does to the rows of the first remote node, to the device and to the host. */
const losses: Readonly<Record<string, string>> = {
  route: "ip -n NETNS route delete 10.0.0.0/26",
  neighbour: "ip -n NETNS neigh delete 100.64.0.1 dev heddle0",
  fdb: "bridge -n NETNS fdb delete 02:00:00:00:00:00 dev heddle0 dst 100.64.0.1 self",
  gateway: "ip -n NETNS address delete 169.254.1.1/32 dev lo",
  nft: "nsenter --net=/run/netns/NETNS nft delete table inet heddle",
  sysctl: "nsenter --net=/run/netns/NETNS sysctl -qw net.ipv4.ip_forward=0",
};

/** Also the CPU that following costs while nothing happens, in permille of a core. */
export async function measureDrift({ name, remotes, rounds = 7 }: DriftOptions): Promise<BenchRow[]> {
  const node = openBigNode(name.replace("_", "-"));
  const reconciler = node.openReconciler();
  try {
    reconciler.setDesired(fabricOf(remotes));
    reconciler.start();
    await reconciler.reconcileNow();
    await sleep(3 * pauseMs);
    const rows: BenchRow[] = [];
    for (const [what, command] of Object.entries(losses)) {
      const repairMs: number[] = [];
      for (let round = 0; round < rounds; round++) {
        repairMs.push(await repair(reconciler, command.replace("NETNS", node.netns)));
        await sleep(pauseMs);
      }
      rows.push(benchRow({ metric: `${name}_${what}_ms`, heddle: repairMs, peers: {}, budget: budgetMs }));
    }
    return [...rows, benchRow({ metric: `${name}_idle_permille`, heddle: [await idleCpu()], peers: {} })];
  } finally {
    await reconciler.stop();
    node.close();
  }
}

/** The time from the end of the command, which is at most some milliseconds after the change. */
async function repair(reconciler: Reconciler, command: string): Promise<number> {
  const { operations } = reconciler.status;
  run(command.split(" "));
  const startMs = performance.now();
  while (reconciler.status.operations === operations) {
    if (performance.now() - startMs > giveUpMs) throw new Error(`${command}: not repaired`);
    await sleep(1);
  }
  return performance.now() - startMs;
}

async function idleCpu(): Promise<number> {
  const before = process.cpuUsage();
  const startMs = performance.now();
  await sleep(5000);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (performance.now() - startMs);
}

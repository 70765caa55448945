/**
 * Takes the node out of the kernel: links, routes, neighbours, FDB, nftables and settings as they were before
 * Heddle came, then sockets and the journal. No process of this node may run meanwhile.
 */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { openKernel } from "../../kernel/index.ts";
import { type HostStateJournal, type NodePlan, Reconciler } from "../../overlay/index.ts";
import { rememberedSockets } from "../docker/docker-network.ts";
import { apiSockets, cniSocket, controlSocket, dockerSocket } from "../process/options.ts";
import { startWhole } from "../process/teardown.ts";
import { hostStateJournal, journalPath, openAgentJournal } from "./agent-journal.ts";

export interface PurgeOptions {
  readonly dataDir: string;
  readonly runDir: string;
}

/** What `purge` would do, one line a step. `kernelSteps`: as a running agent tells them. */
export async function planPurge(
  options: PurgeOptions,
  kernelSteps?: readonly string[],
): Promise<readonly string[]> {
  if (kernelSteps) return [...kernelSteps, ...files(options, []).map((path) => `rm ${path}`)];
  const { plan, sockets } = await withReconciler(options, (reconciler) => reconciler.dryPurge());
  return [...plan.words, ...files(options, sockets).map((path) => `rm ${path}`)];
}

/** @throws DAEMON_PURGE_INCOMPLETE naming what Linux refused; everything else was undone */
export async function purge(options: PurgeOptions): Promise<readonly string[]> {
  const { plan, sockets } = await withReconciler(options, (reconciler) => reconciler.purge());
  const { words, problems } = plan;
  const [problem] = problems;
  if (problem) {
    throw new FabricError(
      "DAEMON_PURGE_INCOMPLETE",
      `purge: ${problem.message}; ${problems.length} steps failed, the rest is done; run it again`,
      { details: { problems } },
    );
  }
  const removed = files(options, sockets);
  for (const path of removed) rmSync(path, { force: true });
  return [...words, ...removed.map((path) => `rm ${path}`)];
}

function withReconciler(
  options: PurgeOptions,
  act: (reconciler: Reconciler) => Promise<NodePlan>,
): Promise<{ readonly plan: NodePlan; readonly sockets: readonly string[] }> {
  return startWhole(async (teardown) => {
    const kernel = openKernel();
    teardown.add("kernel", () => kernel.close());
    let sockets: readonly string[] = [];
    let journal: HostStateJournal = { load: async () => undefined, save: async () => undefined };
    if (existsSync(journalPath(options.dataDir))) {
      const store = await openAgentJournal(options.dataDir, systemClock);
      teardown.add("journal", () => store.close());
      journal = hostStateJournal(store);
      sockets = await rememberedSockets(store);
    }
    const plan = await act(new Reconciler({ kernel, journal }));
    await teardown.run();
    return { plan, sockets };
  });
}

/** Sockets, and the journal with what sqlite keeps beside it. */
function files({ dataDir, runDir }: PurgeOptions, others: readonly string[]): readonly string[] {
  const sockets = [...Object.values(apiSockets), cniSocket, controlSocket, dockerSocket].map((name) =>
    join(runDir, name),
  );
  const journal = existsSync(dataDir) ? readdirSync(dataDir).map((name) => join(dataDir, name)) : [];
  const ofJournal = journal.filter((path) => path.startsWith(journalPath(dataDir)));
  return [...sockets, ...others, ...ofJournal].filter((path) => existsSync(path));
}

/**
 * The rows of 10,000 remote nodes (a neighbour, a forwarding row and a route each) beside `ip -batch` and
 * `bridge -batch` with the very same rows, metrics included, each side in a namespace of its own and taking
 * turns. `program_ms` is kernel against kernel door: the operations that a plan answered. `reconcile_ms` is
 * what a starting agent pays: a first pass that also asks for 10,000 paths, reads the tables, plans, and
 * loads nftables. `remove_ms` takes all rows away again by a pass.
 *
 * The `drift_…` rows have no peer: time from a change made by somebody to its repair, on a node of 100 and one of
 * 10,000 remotes; their budget is milliseconds.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeOperation, type KernelOperation } from "../../kernel/index.ts";
import { run } from "../lab/command.ts";
import { type BigNode, fabricOf, openBigNode } from "./big-node.ts";
import { measureDrift } from "./drift.ts";
import { type BenchResult, benchRow, machine } from "./result.ts";

export interface RoutesBenchOptions {
  readonly remotes?: number;
  readonly rounds?: number;
}

interface Figures {
  readonly programMs: number[];
  readonly reconcileMs: number[];
  readonly removeMs: number[];
  readonly peerMs: number[];
  readonly peerRemoveMs: number[];
}

const peer = "ip+bridge -batch";
const device = "heddle0";
const deviceWords = ["id", "7272", "dstport", "4789", "local", "192.0.2.1", "nolearning"];

export async function measureRoutes(options: RoutesBenchOptions = {}): Promise<BenchResult> {
  const { remotes = 10_000, rounds = 7 } = options;
  const directory = mkdtempSync(join(tmpdir(), "heddle-bench-routes-"));
  const ours = openBigNode("heddle");
  const theirs = openBigNode("peer");
  const figures: Figures = { programMs: [], reconcileMs: [], removeMs: [], peerMs: [], peerRemoveMs: [] };
  try {
    // The first round does not count.
    for (let round = 0; round <= rounds; round++) {
      await measureRound(remotes, { ours, theirs, directory }, figures);
      if (round === 0) for (const values of Object.values(figures)) values.length = 0;
    }
  } finally {
    ours.close();
    theirs.close();
    rmSync(directory, { recursive: true });
  }
  const peers = { [peer]: figures.peerMs };
  const rows = [
    benchRow({ metric: "program_ms", heddle: figures.programMs, peers, budget: 0.5 }),
    benchRow({ metric: "reconcile_ms", heddle: figures.reconcileMs, peers, budget: 0.5 }),
    benchRow({ metric: "remove_ms", heddle: figures.removeMs, peers: { [peer]: figures.peerRemoveMs } }),
    ...(await measureDrift({ name: "drift", remotes: 100 })),
    ...(await measureDrift({ name: `drift_${remotes / 1000}k`, remotes })),
  ];
  return { bench: "routes", machine: machine(), rows };
}

interface Rig {
  readonly ours: BigNode;
  readonly theirs: BigNode;
  readonly directory: string;
}

async function measureRound(remotes: number, rig: Rig, figures: Figures): Promise<void> {
  const { ours, theirs } = rig;
  // The device stands before: what is measured is rows.
  const alone = ours.openReconciler();
  alone.setDesired(fabricOf(1));
  await alone.reconcileNow();
  alone.setDesired(fabricOf(remotes));
  const { operations, words } = await alone.dryRun();

  figures.programMs.push(await timed(async () => expectDone(await ours.kernel.apply(operations))));
  await expectRows(ours, remotes);
  alone.setDesired(fabricOf(1));
  figures.removeMs.push(await timed(() => alone.reconcileNow()));

  const starting = ours.openReconciler();
  starting.setDesired(fabricOf(remotes));
  figures.reconcileMs.push(await timed(() => starting.reconcileNow()));
  await expectRows(ours, remotes);
  starting.setDesired(fabricOf(1));
  await starting.reconcileNow();

  run(["ip", "-n", theirs.netns, "link", "add", device, "type", "vxlan", ...deviceWords]);
  run(["ip", "-n", theirs.netns, "link", "set", device, "up"]);
  figures.peerMs.push(await timed(() => batch(rig, words)));
  await expectRows(theirs, remotes - 1);
  const removals = operations
    .toReversed()
    .map((operation) => describeOperation(removed(operation), () => device));
  figures.peerRemoveMs.push(await timed(() => batch(rig, removals)));
  await expectRows(theirs, 0);
  run(["ip", "-n", theirs.netns, "link", "delete", device]);
}

function removed(operation: KernelOperation): KernelOperation {
  if (operation.op === "neighbour.put") return { ...operation, op: "neighbour.delete" };
  if (operation.op === "fdb.put") return { ...operation, op: "fdb.delete" };
  if (operation.op === "route.put") return { ...operation, op: "route.delete" };
  throw new Error(`${operation.op} is no row of a remote node`);
}

/** Lines of ip(8) and bridge(8), each program once. */
async function batch({ theirs, directory }: Rig, lines: readonly string[]): Promise<void> {
  for (const program of ["ip", "bridge"]) {
    const file = join(directory, program);
    const own = lines.filter((line) => line.startsWith(`${program} `));
    writeFileSync(file, own.map((line) => `${line.slice(program.length + 1)}\n`).join(""));
    run([program, "-n", theirs.netns, "-batch", file]);
  }
}

/** So many routes, neighbours and forwarding rows stand. */
async function expectRows({ kernel }: BigNode, count: number): Promise<void> {
  const link = (await kernel.link(device))?.index ?? 0;
  const routes = (await kernel.routes({ protocol: 72, family: 4 })).filter(
    (route) => route.type === "unicast",
  );
  const neighbours = (await kernel.neighbours(link)).filter((row) => row.permanent);
  const counts = [routes, neighbours, await kernel.fdb(link)].map((rows) => rows.length);
  if (counts.some((each) => each !== count)) throw new Error(`${counts.join(", ")} rows instead of ${count}`);
}

function expectDone(outcomes: readonly unknown[]): void {
  const failed = outcomes.find((error) => error !== undefined);
  if (failed !== undefined) throw failed;
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

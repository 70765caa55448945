/** `heddle recover begin | status | finish | cancel`: an address plan from the nodes that hold it, for a store that lost it. */
import { join } from "node:path";
import type { RecoveryReport } from "../../api/index.ts";
import { systemClock } from "../../clock/index.ts";
import { Recovery } from "../../ipam/index.ts";
import { openStore } from "../../store/index.ts";
import { connectServer } from "../connection.ts";
import { type RemoteOptions, type StoreFlags, storeAccess } from "../options.ts";
import { print } from "../print.ts";
import { table } from "../table.ts";

/** On the store itself, while no server runs: a server that starts without it lets nodes in, and they give up what they hold. */
export async function begin(flags: StoreFlags & { readonly json?: boolean }): Promise<void> {
  const spec = flags.store ?? `sqlite:${join(flags.dataDir, "store.sqlite")}`;
  const store = await openStore(spec, { clock: systemClock, access: storeAccess(flags) });
  try {
    await new Recovery(store, systemClock).begin();
  } finally {
    await store.close();
  }
  print(
    flags,
    { store: spec, phase: "gathering" },
    () =>
      `${spec} gathers the address plan from now on: start the servers, then look with \`heddle recover status\``,
  );
}

export async function status(options: RemoteOptions): Promise<void> {
  const report = await connectServer(options).recovery();
  print(options, report, () => textOf(report));
}

export async function finish(options: RemoteOptions & { readonly gone?: readonly string[] }): Promise<void> {
  const report = await connectServer(options).finishRecovery(options.gone ?? []);
  const taken = report.nodes.filter(({ hasLeft, node }) => !hasLeft && !options.gone?.includes(node));
  print(
    options,
    report,
    () => `the recovery is finished: ${taken.length} nodes go on with what they hold, within some seconds`,
  );
}

export async function cancel(options: RemoteOptions): Promise<void> {
  await connectServer(options).cancelRecovery();
  print(options, { phase: "done" }, () => "the recovery is cancelled: nodes join anew, with new addresses");
}

function textOf({ phase, nodes, missing, conflicts, networks }: RecoveryReport): string {
  if (phase !== "gathering") return "no recovery is under way";
  const rows = nodes.map(({ node, atMs, hasLeft, blocks, statics }) => [
    node,
    new Date(atMs).toISOString(),
    hasLeft ? "has left the fabric" : `${blocks.length} blocks, ${statics.length} addresses by name`,
  ]);
  const ready = missing.length === 0 && conflicts.length === 0;
  return [
    table(["NODE", "STATED AT", "HOLDS"], rows),
    `networks: ${networks.join(", ") || "none"}`,
    ...(missing.length > 0 ? [`missing: ${missing.join(", ")}`] : []),
    ...conflicts.map(({ why }) => `conflict: ${why}`),
    ready ? "every known node has stated what it holds: `heddle recover finish`" : "",
  ]
    .filter((line) => line !== "")
    .join("\n");
}

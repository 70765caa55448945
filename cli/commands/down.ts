/**
 * `heddle down [--purge] [--dry-run]`: ends the processes of this run directory. Containers keep talking, as the
 * kernel keeps what it was told; `--purge` takes that away too, with the node's journal of addresses. The
 * store (keys, catalog, address plan) is the fabric's, not the node's, and stays in either case.
 */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { planPurge, purge, type RunningProcess, runningProcesses } from "../../daemon/index.ts";
import { FabricError } from "../../errors/index.ts";
import { connect } from "../connection.ts";
import type { ProcessFlags } from "../options.ts";
import { print } from "../print.ts";

interface DownFlags extends ProcessFlags {
  readonly purge?: boolean;
  readonly dryRun?: boolean;
}

const patienceMs = 15_000;
const pollMs = 20;

export async function down(flags: DownFlags): Promise<void> {
  const running = runningProcesses(flags.runDir);
  const done = running.map(({ role, pid }) => `stop heddle ${role} (process ${pid})`);
  if (flags.dryRun) {
    if (flags.purge) done.push(...(await planPurge(flags, await agentsPlan(flags, running))));
  } else {
    for (const each of running) await stop(each);
    if (flags.purge) done.push(...(await purge(flags)));
  }
  print(flags, { dryRun: flags.dryRun ?? false, steps: done }, () =>
    done.length === 0 ? "nothing to do: heddle does not run here" : done.join("\n"),
  );
}

/** A running agent has its journal to itself, and knows best. */
async function agentsPlan(
  flags: DownFlags,
  running: readonly RunningProcess[],
): Promise<readonly string[] | undefined> {
  return running.some(({ role }) => role !== "server") ? connect(flags).purgePlan() : undefined;
}

async function stop({ role, pid }: RunningProcess): Promise<void> {
  process.kill(pid, "SIGTERM");
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += pollMs) {
    if (!isRunning(pid)) return;
    await sleep(pollMs);
  }
  throw new FabricError(
    "DAEMON_STOP_FAILED",
    `stop heddle ${role}: process ${pid} did not end within ${patienceMs} ms; look at its log, then end it with kill -9`,
  );
}

/** A zombie has ended, whoever still has to collect it. */
function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.charAt(stat.lastIndexOf(")") + 2) !== "Z";
  } catch {
    return false;
  }
}

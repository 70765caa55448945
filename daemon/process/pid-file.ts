/**
 * Which process runs a role on this node: `<run-dir>/<role>.pid` with its pid and its start time in clock
 * ticks (proc_pid_stat(5) field 22), so that a recycled pid is never taken for ours.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { FabricError } from "../../errors/index.ts";
import { makeDirectory } from "../../files/index.ts";

export const roles = ["up", "agent", "server"] as const;
export type Role = (typeof roles)[number];

export interface RunningProcess {
  readonly role: Role;
  readonly pid: number;
}

/** Claims the role in the directory. Answers how to give it back. @throws DAEMON_ALREADY_RUNNING, FILES_DIRECTORY_FAILED */
export function claimRole(runDir: string, role: Role): () => void {
  makeDirectory(runDir, 0o755);
  const rivals: readonly Role[] = role === "server" ? ["up", "server"] : ["up", "agent"];
  const other = runningProcesses(runDir).find((running) => rivals.includes(running.role));
  if (other) {
    throw new FabricError(
      "DAEMON_ALREADY_RUNNING",
      `start heddle ${role}: heddle ${other.role} already runs here as process ${other.pid} (${runDir}); stop it with \`heddle down\`, or use another --run-dir`,
    );
  }
  const path = join(runDir, `${role}.pid`);
  writeFileSync(path, `${process.pid} ${startTicks(process.pid)}\n`, { mode: 0o644 });
  return () => rmSync(path, { force: true });
}

/** The processes that run in this directory now; what a killed one left behind does not count. */
export function runningProcesses(runDir: string): readonly RunningProcess[] {
  return roles.flatMap((role) => {
    const pid = livePid(join(runDir, `${role}.pid`));
    return pid === undefined ? [] : [{ role, pid }];
  });
}

function livePid(path: string): number | undefined {
  try {
    const [pid, ticks] = readFileSync(path, "utf8").trim().split(" ");
    return startTicks(Number(pid)) === ticks ? Number(pid) : undefined;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** The fields after the command's name, which is in parentheses and may hold anything. */
function startTicks(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
}

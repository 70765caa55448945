/**
 * Whether a container's main process lives, for the time when the engine cannot be asked. A pid counts only if
 * its control group names the container, which proves that agent and engine share a pid namespace; its start
 * time then tells it from a later process of the same number (proc(5)).
 */
import { readFileSync } from "node:fs";

export interface ProcessMark {
  readonly pid: number;
  readonly startTicks: string;
}

/** Undefined when the process cannot be recognised from here. */
export function markProcess(pid: number, containerId: string): ProcessMark | undefined {
  if (pid <= 0) return undefined;
  const startTicks = startTicksOf(pid);
  if (startTicks === undefined || !read(`/proc/${pid}/cgroup`)?.includes(containerId)) return undefined;
  return { pid, startTicks };
}

export function isAlive({ pid, startTicks }: ProcessMark): boolean {
  return startTicksOf(pid) === startTicks;
}

/** Field 22 of stat; the second, the program's name, may hold anything. A zombie is dead. */
function startTicksOf(pid: number): string | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields?.[0] === "Z" ? undefined : fields?.[19];
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

/**
 * Runs a program: exit status 0 passes, 1 warns, all else is critical. It leads a process group of its own,
 * and when its time is over the whole group is killed, so that a shell's children do not pile up. A program
 * that leaves a child behind with its output open has ended all the same: exit decides, not end of output.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Timer } from "../../clock/index.ts";
import type { ScriptCheck } from "../check.ts";
import { OutputTail } from "./output.ts";
import type { ProbeContext, ProbeResult } from "./probe.ts";

/** Time that output still in the pipe gets after exit. */
const drainMs = 100;

export function probeScript(check: ScriptCheck, context: ProbeContext): Promise<ProbeResult> {
  const { clock, limits, signal, timeoutMs } = context;
  const [program = "", ...args] = check.args;
  return new Promise((resolve) => {
    const tail = new OutputTail(limits.outputMaxBytes);
    const child = spawn(program, args, { detached: true, stdio: ["ignore", "pipe", "pipe"] });
    let drain: Timer | undefined;
    const finish = (result: ProbeResult) => {
      drain?.cancel();
      signal.removeEventListener("abort", onAbort);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve(result);
    };
    const onAbort = () => {
      killGroup(child);
      finish({ status: "critical", output: `Timed out (${timeoutMs} ms) running check` });
    };
    child.stdout.on("data", (chunk: Buffer) => tail.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => tail.push(chunk));
    child.once("error", (error) => finish({ status: "critical", output: error.message }));
    child.once("exit", (code, killedBy) => {
      const end = () => finish({ status: statusOfExit(code), output: outputOf(tail, killedBy) });
      child.once("close", end);
      drain = clock.setTimer(drainMs, end);
    });
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

export function statusOfExit(code: number | null): ProbeResult["status"] {
  if (code === 0) return "passing";
  return code === 1 ? "warning" : "critical";
}

function outputOf(tail: OutputTail, killedBy: NodeJS.Signals | null): string {
  return killedBy === null ? tail.text() : `${tail.text()}ended by ${killedBy}`;
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch (error) {
    // ESRCH: the whole group has ended between its last word and now.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

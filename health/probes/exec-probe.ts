/**
 * Runs a program in a container: exit status 0 passes, 1 warns, all else is critical. When its time is over the
 * container's engine is left alone: it has no way to end what it runs for others, only to stop listening.
 */
import type { ContainerExec, ExecCheck } from "../check.ts";
import { OutputTail } from "./output.ts";
import type { ProbeContext, ProbeResult } from "./probe.ts";
import { statusOfExit } from "./script-probe.ts";
import { errorText } from "./tcp-probe.ts";

export async function probeExec(
  check: ExecCheck,
  exec: ContainerExec,
  { limits, signal, timeoutMs }: ProbeContext,
): Promise<ProbeResult> {
  const tail = new OutputTail(limits.outputMaxBytes);
  try {
    const onOutput = (bytes: Buffer) => tail.push(bytes);
    const { exitCode } = await exec(check.container, check.args, { signal, onOutput });
    return { status: statusOfExit(exitCode), output: tail.text() };
  } catch (error) {
    const output = signal.aborted ? `Timed out (${timeoutMs} ms) running check` : errorText(error as Error);
    return { status: "critical", output };
  }
}

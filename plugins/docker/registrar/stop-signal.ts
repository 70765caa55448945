/** Signals that mean "stop", as the engine writes them: a name with or without SIG, or a number (signal(7)). */
import { constants } from "node:os";

const terminate = constants.signals.SIGTERM;
const kill = constants.signals.SIGKILL;

/** SIGTERM for what cannot be read, as the engine itself takes it. */
export function signalNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  const name = `SIG${text.toUpperCase().replace(/^SIG/, "")}`;
  return (constants.signals as Readonly<Record<string, number>>)[name] ?? terminate;
}

/** True for the container's own stop signal and for those that no container should survive. */
export function isStopSignal(signal: number | undefined, ofContainer = terminate): boolean {
  return signal === ofContainer || signal === terminate || signal === kill;
}

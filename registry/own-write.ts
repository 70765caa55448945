/** Waits for the registry to apply what was written, but not for ever: the write stands already. */
import type { Clock } from "../clock/index.ts";
import type { RegistryReads } from "./reads.ts";

/** A durable write is answered after this time even when the registry has not caught up with the store. */
export const ownWriteWaitMaxMs = 5000;

export async function applied(registry: RegistryReads, clock: Clock, revision: number): Promise<void> {
  if (revision <= registry.index) return;
  const late = new AbortController();
  const timer = clock.setTimer(ownWriteWaitMaxMs, () => late.abort());
  await registry.applied(revision, late.signal).catch(() => undefined);
  timer.cancel();
}

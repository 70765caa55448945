/**
 * Blocking by content: `?hash=H` answers once what is asked for no longer hashes to H, or when the time is over.
 * For what an agent knows by itself there is no index; its changes are looked at one by one.
 */

import { createHash } from "node:crypto";
import type { Clock } from "../../clock/index.ts";
import type { AgentView } from "../access/guarded-agent.ts";
import { waitDefaultMs, waitMaxMs } from "../parked-reads.ts";
import type { Call } from "../route.ts";

export interface AgentWaitContext {
  /** As the request may see and change it. */
  agentOf(call: Call): AgentView;
  readonly clock: Clock;
  readonly random: () => number;
}

export function contentHash(content: object): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 16);
}

/** `hashNow` is undefined when there is nothing to hash, which ends the wait. */
export async function waitForOtherHash(
  { agentOf, clock, random }: AgentWaitContext,
  call: Call,
  hashNow: () => string | undefined,
): Promise<void> {
  const { query, request } = call;
  const waitMs = query.duration("wait", "Invalid wait time") || waitDefaultMs;
  const hash = query.get("hash");
  if (hash === "" || hashNow() !== hash) return;
  const { signal } = request;
  const boundedMs = Math.min(waitMs, waitMaxMs);
  const { promise, resolve } = Promise.withResolvers<void>();
  const unsubscribe = agentOf(call).onChange(() => hashNow() !== hash && resolve());
  const timer = clock.setTimer(boundedMs + (random() * boundedMs) / 16, resolve);
  signal?.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  timer.cancel();
  unsubscribe();
  signal?.throwIfAborted();
}

/**
 * Blocking queries (long polls): `?index=N&wait=D` answers when what was asked for has moved past N, or when
 * the time is over. The time is stretched by up to a sixteenth so that many clients do not come back at once;
 * clients allow for exactly that much.
 *
 * Always holds: the index answered is at least 1, and is taken before the state is read, so that a change in
 * between is answered again instead of being lost.
 */
import type { Clock } from "../clock/index.ts";
import type { RegistryReads, Topic } from "../registry/index.ts";
import { compileFilter, type Filter } from "./filter/evaluate.ts";
import type { Query } from "./query.ts";
import { type ReadMode, readMode } from "./read-mode.ts";
import type { ApiResponse } from "./request.ts";
import { type Call, json } from "./route.ts";

export const waitDefaultMs = 300_000;
export const waitMaxMs = 600_000;

export interface ReadContext {
  readonly registry: RegistryReads;
  readonly clock: Clock;
  readonly random: () => number;
  /** Of the agent that is asked, unless another one forwards. */
  readonly node: string;
}

export async function blockingRead(
  context: ReadContext,
  call: Call,
  topic: Topic,
  answer: (headers: Record<string, string>) => ApiResponse,
  taken: readonly string[] = [],
): Promise<ApiResponse> {
  const { registry } = context;
  const { query, request } = call;
  if (query.text === "") return answer(readHeaders(registry, registry.indexOf(topic), "leader"));
  const mode = readMode(query, registry.datacenter, taken);
  const waitMs = query.duration("wait", "Invalid wait time");
  const index = query.uint("index", "Invalid index") ?? 0n;
  if (mode === "consistent" || isTooStale(registry, query)) await registry.barrier(request.signal);
  if (index > 0n) await waitFor(context, topic, Number(index), waitMs ?? waitDefaultMs, request.signal);
  return answer(readHeaders(registry, registry.indexOf(topic), mode));
}

/** A blocking read of a list whose items `filter` may choose from. */
export function blockingList(
  context: ReadContext,
  call: Call,
  topic: Topic,
  items: () => readonly object[],
): Promise<ApiResponse> {
  const filter = filterOf(call.query);
  const answer = (headers: Record<string, string>) => json(call, items().filter(filter), headers);
  return blockingRead(context, call, topic, answer, ["filter"]);
}

/** @throws API_BAD_REQUEST */
export function filterOf(query: Query): Filter {
  const text = query.get("filter");
  return text.trim() === "" ? () => true : compileFilter(text);
}

/** Headers of every read: clients read the index without asking whether it is there. */
export function readHeaders(registry: RegistryReads, index: number, mode: ReadMode): Record<string, string> {
  const { following, lastContactMs } = registry.contact();
  return {
    "X-Consul-Index": String(Math.max(1, index)),
    "X-Consul-KnownLeader": following ? "true" : "false",
    "X-Consul-LastContact": String(lastContactMs),
    "X-Consul-Effective-Consistency": mode,
    "X-Consul-Default-ACL-Policy": "allow",
  };
}

/** A registry that lost the store is as stale as its last contact. */
function isTooStale(registry: RegistryReads, query: Query): boolean {
  const maxMs = query.duration("max_stale", "Invalid max_stale value");
  return maxMs !== undefined && registry.contact().lastContactMs > maxMs;
}

async function waitFor(
  context: ReadContext,
  topic: Topic,
  index: number,
  waitMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { registry, clock, random } = context;
  if (registry.indexOf(topic) > index) return;
  const boundedMs = Math.min(waitMs === 0 ? waitDefaultMs : waitMs, waitMaxMs);
  const over = new AbortController();
  const onAbort = () => over.abort(signal?.reason);
  const timer = clock.setTimer(boundedMs + (random() * boundedMs) / 16, () => over.abort());
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    await registry.wait(topic, index, over.signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (!over.signal.aborted) throw error;
  } finally {
    timer.cancel();
    signal?.removeEventListener("abort", onAbort);
  }
}

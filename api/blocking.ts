/**
 * Blocking queries (long polls): `?index=N&wait=D` answers when what was asked for has moved past N, or when
 * the time is over. The time is stretched by up to a sixteenth so that many clients do not come back at once;
 * clients allow for exactly that much.
 *
 * Always holds: the index answered is at least 1, and is taken before the state is read, so that a change in
 * between is answered again instead of being lost.
 */
import type { RegistryReads, Topic } from "../registry/index.ts";
import { compileFilter, type Filter } from "./filter/evaluate.ts";
import { type ParkedReads, waitDefaultMs } from "./parked-reads.ts";
import type { Query } from "./query.ts";
import { type ReadMode, readMode } from "./read-mode.ts";
import type { ApiResponse } from "./request.ts";
import { type Call, json } from "./route.ts";

export interface ReadContext {
  readonly registry: RegistryReads;
  readonly parked: ParkedReads;
  readonly random: () => number;
  /** Of the agent that is asked, unless another one forwards. */
  readonly node: string;
}

/** No `async` here: each one that waits would keep its frame. */
export function blockingRead(
  context: ReadContext,
  call: Call,
  topic: Topic,
  answer: (headers: Record<string, string>) => ApiResponse,
  taken: readonly string[] = [],
): ApiResponse | Promise<ApiResponse> {
  const { registry, parked } = context;
  const { query, request } = call;
  if (query.text === "") return answer(readHeaders(registry, registry.indexOf(topic), "leader"));
  const mode = readMode(query, registry.datacenter, taken);
  const waitMs = query.duration("wait", "Invalid wait time") ?? waitDefaultMs;
  const index = Number(query.uint("index", "Invalid index") ?? 0n);
  const read = () => answer(readHeaders(registry, registry.indexOf(topic), mode));
  const readMoved = () => {
    if (index === 0 || registry.indexOf(topic) > index) return read();
    query.release();
    return parked.wait(topic, index, waitMs, request).then(read);
  };
  if (mode !== "consistent" && !isTooStale(registry, query)) return readMoved();
  return registry.barrier(request.signal).then(readMoved);
}

/** A blocking read of a list whose items `filter` may choose from. */
export function blockingList(
  context: ReadContext,
  call: Call,
  topic: Topic,
  items: () => readonly object[],
): ApiResponse | Promise<ApiResponse> {
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

/**
 * Blocking queries (long polls): `?index=N&wait=D` answers when what was asked for has moved past N, or when
 * the time is over. The time is stretched by up to a sixteenth so that many clients do not come back at once;
 * clients allow for exactly that much.
 *
 * Always holds: the index answered is at least 1, and is taken before the state is read, so that a change in
 * between is answered again instead of being lost.
 */
import type { Topic } from "../registry/index.ts";
import { type ContentReads, GuardedReads, type RegistryProgress } from "./access/guarded-reads.ts";
import type { ApiWrites } from "./access/guarded-writes.ts";
import { compileFilter, type Filter } from "./filter/evaluate.ts";
import { type ParkedReads, waitDefaultMs } from "./parked-reads.ts";
import type { Query } from "./query.ts";
import { type ReadMode, readMode } from "./read-mode.ts";
import type { ApiResponse } from "./request.ts";
import { type Call, json } from "./route.ts";

export interface ReadContext {
  readonly registry: RegistryProgress;
  /** What it holds, as far as the request may see it. @throws REGISTRY_TOKEN_UNKNOWN */
  reads(call: Call): ContentReads;
  /** @throws REGISTRY_TOKEN_UNKNOWN */
  writes(call: Call): ApiWrites;
  /** Of requests for which no rule is written. */
  readonly defaultPolicy: "allow" | "deny";
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
  answer: (headers: Record<string, string>, reads: ContentReads) => ApiResponse,
  taken: readonly string[] = [],
): ApiResponse | Promise<ApiResponse> {
  const { registry, parked } = context;
  const { query, request } = call;
  // Nobody waits with a token that is not known.
  call.rights();
  const answerIn = (mode: ReadMode): ApiResponse => {
    const reads = context.reads(call);
    return marked(answer(readHeaders(context, registry.indexOf(topic), mode), reads), reads);
  };
  if (query.text === "") return answerIn("leader");
  const mode = readMode(query, registry.datacenter, taken);
  const waitMs = query.duration("wait", "Invalid wait time") ?? waitDefaultMs;
  const index = Number(query.uint("index", "Invalid index") ?? 0n);
  const read = () => answerIn(mode);
  const { waited } = request;
  if (waited?.failure !== undefined) throw waited.failure as Error;
  if (waited) return read();
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
  items: (reads: ContentReads) => readonly object[],
): ApiResponse | Promise<ApiResponse> {
  const filter = filterOf(call.query);
  const answer = (headers: Record<string, string>, reads: ContentReads) =>
    json(call, items(reads).filter(filter), headers);
  return blockingRead(context, call, topic, answer, ["filter"]);
}

/** @throws API_BAD_REQUEST */
export function filterOf(query: Query): Filter {
  const text = query.get("filter");
  return text.trim() === "" ? () => true : compileFilter(text);
}

/** Headers of every read: clients read the index without asking whether it is there. */
export function readHeaders(
  { registry, defaultPolicy }: Pick<ReadContext, "registry" | "defaultPolicy">,
  index: number,
  mode: ReadMode,
): Record<string, string> {
  const { following, lastContactMs } = registry.contact();
  return {
    "X-Consul-Index": String(Math.max(1, index)),
    "X-Consul-KnownLeader": following ? "true" : "false",
    "X-Consul-LastContact": String(lastContactMs),
    "X-Consul-Effective-Consistency": mode,
    "X-Consul-Default-ACL-Policy": defaultPolicy,
  };
}

/** An empty list may mean that there is nothing, or nothing to see; a client is told which. */
export function marked(response: ApiResponse, reads: ContentReads): ApiResponse {
  if (!(reads instanceof GuardedReads) || !reads.hasFiltered) return response;
  return { ...response, headers: { ...response.headers, "X-Consul-Results-Filtered-By-ACLs": "true" } };
}

/** A registry that lost the store is as stale as its last contact. */
function isTooStale(registry: RegistryProgress, query: Query): boolean {
  const maxMs = query.duration("max_stale", "Invalid max_stale value");
  return maxMs !== undefined && registry.contact().lastContactMs > maxMs;
}

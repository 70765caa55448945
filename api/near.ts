/**
 * `?near=NODE`, `_agent` or `_ip`: the order of a list. `_agent` is the node where the request was made, which an
 * agent that forwards it adds; `_ip` is the node that has the client's address, or runs the instance that does.
 */
import { nearestFirst, type QuerySource, sourceNode } from "../registry/index.ts";
import type { ContentReads } from "./access/guarded-reads.ts";
import type { ReadContext } from "./blocking.ts";
import type { Call } from "./route.ts";

/** Of a client behind an agent that forwards, as Consul reads it. */
export const clientAddressHeader = "x-forwarded-for";

export function sourceOf({ node: ownNode }: ReadContext, { request }: Call): QuerySource {
  const { node = ownNode, remote } = request;
  const forwarded = request.headers[clientAddressHeader];
  const first = String(forwarded ?? "")
    .split(",")[0]
    ?.trim();
  const ip = first || remote?.replace(/^::ffff:/, "");
  return { node, ...(ip && { ip }) };
}

/** The items in order of nearness, where the query asks for one. */
export function sortedNear<T>(
  context: ReadContext,
  reads: ContentReads,
  call: Call,
  items: readonly T[],
  nodeOf: (item: T) => string,
): readonly T[] {
  const near = call.query.get("near");
  if (near === "") return items;
  const node = sourceNode(reads, near, sourceOf(context, call));
  return node === undefined ? items : nearestFirst(reads, node, items, nodeOf);
}

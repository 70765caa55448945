/**
 * What views hold. Only what an answer is made from: a check's output or an index in here would send a delta to
 * every subscriber for nothing.
 *
 * - `fabric`: the store's own keys and values under `ipam/networks/`, `ipam/blocks/`, `ipam/statics/` and `catalog/nodes/`
 * - `service/<name>`: `<node>/<id>` (both percent-encoded) → ServiceViewItem
 * - `nodes`: name → NodeListItem, of all nodes of the fabric
 * - `node/<name>`: `node` → NodeViewItem, nothing when there is no such node
 * - `keys/<path>`: the key itself, and each key below `<path>/` → KeyViewItem, or `overflowKey` alone when there are too many
 * - `query/<name>`: what a prepared query finds for that name: `query` → QueryViewItem, and `<node>/<id>` →
 *   ServiceViewItem of each instance that it may name; nothing when no query answers for the name
 * - `reverse/<ip>`: `node/<node>` or `service/<node>/<id>` → ReverseViewItem; of a container's names only its own
 */
import type { Ip } from "../addr/index.ts";
import type { CheckStatus, Coordinate, NodeRecord, ServiceRecord } from "../registry/index.ts";

export interface CheckBrief {
  readonly id: string;
  readonly name: string;
  readonly status: CheckStatus;
  /** "" for a check of the node. */
  readonly serviceId: string;
}

export interface ServiceViewItem {
  readonly node: NodeRecord;
  readonly service: ServiceRecord;
  /** Checks of the node, with its liveness, and of the instance. */
  readonly checks: readonly CheckBrief[];
  /** Of the node, in the view of a query that sorts by nearness. */
  readonly coordinate?: Coordinate;
}

export interface QueryViewItem {
  /** The service that is asked for. */
  readonly service: string;
  /** 0: as for the service. */
  readonly ttlSeconds: number;
  /** A node, `_agent`, `_ip` or "", as of the query. */
  readonly near: string;
  /** Of the node that `near` names. */
  readonly origin?: Coordinate;
}

export interface NodeViewItem {
  readonly node: NodeRecord;
  /** Checks of the node itself, with its liveness. */
  readonly checks: readonly CheckBrief[];
  readonly coordinate?: Coordinate;
}

export interface NodeListItem {
  readonly up: boolean;
  readonly addresses: readonly Ip[];
}

export type ReverseViewItem =
  | { readonly kind: "node"; readonly name: string }
  | { readonly kind: "service"; readonly name: string; readonly node: string }
  /** `web.shop.docker`: the name of a container and of its network. */
  | { readonly kind: "container"; readonly name: string; readonly node: string };

export interface KeyViewItem {
  /** UTF-8. */
  readonly value: string;
}

/** No key of the store is empty. */
export const overflowKey = "";

export const fabricView = "fabric";
/** Of what certificates are signed by; its one item is a TrustBrief. */
export const trustView = "trust";
export const authoritiesItem = "authorities";

/**
 * What a reader can wait for. A topic moves only when an answer that is built from it may have changed, so a
 * write to one service never wakes the watchers of another (the index churn of hashicorp/consul#3712).
 */
import type { Ip } from "../../addr/index.ts";
import type { CheckStatus } from "../model.ts";

export type Topic =
  | { readonly kind: "kv"; readonly key: string }
  | { readonly kind: "kvPrefix"; readonly prefix: string }
  /** Instances of one service: they, their checks, and record, checks and liveness of their nodes. */
  | { readonly kind: "service"; readonly name: string }
  /** Instances that speak for one service in a mesh; moves as `service` does. */
  | { readonly kind: "connect"; readonly name: string }
  /** Instances that meet the need for a resource, as `service`. */
  | { readonly kind: "resource"; readonly path: string }
  /** Names of all services and their tags. */
  | { readonly kind: "services" }
  /** Records of all instances and of their nodes. */
  | { readonly kind: "instances" }
  /** Records of all nodes. */
  | { readonly kind: "nodes" }
  /** One node's record, services, checks and liveness. */
  | { readonly kind: "node"; readonly name: string }
  | { readonly kind: "nodeChecks"; readonly node: string }
  /** Checks that belong to one service. */
  | { readonly kind: "serviceChecks"; readonly service: string }
  | { readonly kind: "checks"; readonly state: CheckStatus | "any" }
  | { readonly kind: "session"; readonly id: string }
  /** What decides whether a session goes on, its node and checks apart: its time, and that it is ending. */
  | { readonly kind: "sessionEnd"; readonly id: string }
  | { readonly kind: "sessions" }
  /** User events. */
  | { readonly kind: "events" }
  /** Prepared queries. */
  | { readonly kind: "queries" }
  /** Tokens and policies. */
  | { readonly kind: "acl" }
  /** Coordinates of all nodes, and of one. */
  | { readonly kind: "coordinates" }
  | { readonly kind: "nodeCoordinates"; readonly node: string }
  | { readonly kind: "nodeSessions"; readonly node: string }
  /** Nodes and instances that have this address. */
  | { readonly kind: "address"; readonly ip: Ip };

/** Equal for equal topics; names of nodes and services differ in more than case, as in DNS. */
export function topicKey(topic: Topic): string {
  switch (topic.kind) {
    case "kv":
      return `kv:${topic.key}`;
    case "kvPrefix":
      return `kvPrefix:${topic.prefix}`;
    case "service":
      return `service:${topic.name.toLowerCase()}`;
    case "connect":
      return `connect:${topic.name.toLowerCase()}`;
    case "resource":
      return `resource:${topic.path}`;
    case "services":
    case "instances":
    case "nodes":
    case "sessions":
    case "events":
    case "queries":
    case "acl":
    case "coordinates":
      return topic.kind;
    case "session":
    case "sessionEnd":
      return `${topic.kind}:${topic.id}`;
    case "nodeCoordinates":
      return `nodeCoordinates:${topic.node.toLowerCase()}`;
    case "nodeSessions":
      return `nodeSessions:${topic.node.toLowerCase()}`;
    case "node":
      return `node:${topic.name.toLowerCase()}`;
    case "nodeChecks":
      return `nodeChecks:${topic.node.toLowerCase()}`;
    case "serviceChecks":
      return `serviceChecks:${topic.service.toLowerCase()}`;
    case "checks":
      return `checks:${topic.state}`;
    case "address":
      return `address:${topic.ip}`;
    default:
      return topic satisfies never;
  }
}

/** What a node's kernel should carry, in the words of the fabric: the input of the plan. Plain JSON. */
import type { Cidr, Ip, Mac, Vni } from "../addr/index.ts";
import type { AttachedEndpoint } from "./endpoint/index.ts";

/** How a network may cross to another node; `auto` is direct where the other is on the link, else vxlan. */
export type BackendChoice = "auto" | "direct" | "vxlan";

/**
 * With whom a network's containers talk: `isolated` with each other and the outside, `open` also with all other
 * open networks, `internal` only with each other.
 */
export type NetworkPolicy = "isolated" | "open" | "internal";

export interface FabricSelf {
  readonly name: string;
  /** At most one per family is used: the first. */
  readonly underlay: readonly Ip[];
  /** Given once and kept, so that the others' rows stay right over a restart. */
  readonly vtepMac: Mac;
  readonly vni: Vni;
  readonly vxlanPort: number;
  readonly zone: string;
  /**
   * The node's own addresses in the fabric, at most one a family: the source of what the host itself sends over
   * VXLAN, so that answers come back the same way. Without one Linux takes an underlay address, and a container's
   * answer to that leaves the tunnel, where the underlay may drop it as spoofed.
   */
  readonly fabric?: readonly Ip[];
}

export interface FabricNetwork {
  readonly name: string;
  readonly pools: readonly Cidr[];
  readonly backend: BackendChoice;
  /** Traffic that leaves the fabric takes the node's address. */
  readonly masquerade: boolean;
  readonly policy: NetworkPolicy;
}

export interface RemotePrefix {
  readonly network: string;
  readonly cidr: Cidr;
}

export interface RemoteNode {
  readonly name: string;
  readonly underlay: readonly Ip[];
  readonly vtepMac: Mac;
  readonly vxlanPort: number;
  readonly zone: string;
  /** Blocks and static addresses that the node holds. */
  readonly prefixes: readonly RemotePrefix[];
}

/** A port of the host that leads to a container of this node. */
export interface PublishedPort {
  readonly protocol: "tcp" | "udp" | "sctp";
  /** Absent: every address of the host. */
  readonly hostIp?: Ip;
  readonly hostPort: number;
  readonly ip: Ip;
  readonly port: number;
}

export interface NodeDesired {
  readonly self: FabricSelf;
  readonly networks: readonly FabricNetwork[];
  readonly remotes: readonly RemoteNode[];
  readonly endpoints: readonly AttachedEndpoint[];
  readonly published?: readonly PublishedPort[];
}

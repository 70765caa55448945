/**
 * What the agent keeps for Docker, as Docker does not say it twice: CreateNetwork is not repeated when an engine
 * starts, RequestAddress names a pool and no network, Join names an endpoint and none of its addresses. Plain
 * JSON, as it stands in the journal.
 *
 * The address itself is a lease of `ipam`; whether it is in use follows from the endpoints here. So there is no
 * second list of addresses that could disagree with the first.
 */
import type { Cidr, Ip, Mac } from "../../../addr/index.ts";
import type { PublishedPort } from "../../../overlay/index.ts";

/** One answer to RequestPool. Several pools may have one block: each Docker network of this host has its own. */
export interface DockerPool {
  readonly id: string;
  /** What Docker believes the subnet is. */
  readonly cidr: Cidr;
  /** `--ip-range`: where this engine's addresses come from. */
  readonly range?: Cidr;
  /** `--ipam-opt heddle.network`. */
  readonly wanted?: string;
  /** The fabric network whose addresses the pool gives; known when the block is one of its pools, or once a Docker network took it. */
  readonly network?: string;
  /** Docker network that took it. */
  readonly takenBy?: string;
  /** `--gateway` of a network that is to be made. */
  readonly gateway?: Ip;
  /** `--aux-address` of a network that is to be made. */
  readonly reserved: readonly Ip[];
  /** Wall clock. */
  readonly createdAtMs: number;
}

export interface DockerNetwork {
  readonly id: string;
  /** Of the fabric. */
  readonly network: string;
  /** No way out of the fabric. */
  readonly internal: boolean;
  readonly mtu?: number;
  /** `--aux-address` that are leased to nobody. */
  readonly reserved: readonly Ip[];
  readonly createdAtMs: number;
}

export interface DockerEndpoint {
  readonly id: string;
  readonly networkId: string;
  readonly network: string;
  /** One a family. */
  readonly addresses: readonly Ip[];
  readonly mac: Mac;
  /** Between Join and Leave. */
  readonly sandbox?: { readonly key: string; readonly gatewayNumber: number };
  readonly ports: readonly PublishedPort[];
  /** Docker released an address of it although it stands: Docker has forgotten it, most likely. */
  readonly isForsaken?: true;
  readonly createdAtMs: number;
}

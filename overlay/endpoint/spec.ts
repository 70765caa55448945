/** An endpoint: one interface of one container, as plain data that survives in a journal. */
import type { Ip, Mac } from "../../addr/index.ts";
import type { NetnsPath } from "../../kernel/index.ts";

/**
 * The runtime moves the peer into the container by itself and sets its name, addresses and routes there, as
 * Docker does. So there is no permanent neighbour for the gateway in the container: the host end has the
 * gateway's address and answers for it, whatever routes the host has.
 */
export interface HandOver {
  /** Name of the peer while it waits in the host's namespace. */
  readonly peerIfname: string;
  /** What the runtime sets as gateways, one a family. Two interfaces of one container cannot share them. */
  readonly gateways: readonly Ip[];
}

export interface EndpointSpec {
  readonly containerId: string;
  /** Name inside the container, as `eth0`. */
  readonly ifname: string;
  readonly netns: NetnsPath;
  /** Name of the host end; see `hostInterfaceName`. */
  readonly hostIfname: string;
  readonly mac: Mac;
  readonly hostMac: Mac;
  readonly mtu: number;
  /** At least one; each stands as /32 or /128 on the interface. */
  readonly addresses: readonly Ip[];
  /** Absent: the peer is made straight in `netns` and configured here. */
  readonly handover?: HandOver;
}

export interface AttachedEndpoint extends EndpointSpec {
  /** One per family of the addresses. */
  readonly gateways: readonly Ip[];
}

/** What detaching needs: it works when the namespace and the rest of the spec are gone. */
export type DetachTarget = Pick<EndpointSpec, "hostIfname" | "addresses"> & { readonly netns?: NetnsPath };

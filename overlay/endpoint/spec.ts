/** An endpoint: one interface of one container, as plain data that survives in a journal. */
import type { Ip, Mac } from "../../addr/index.ts";
import type { NetnsPath } from "../../kernel/index.ts";

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
}

export interface AttachedEndpoint extends EndpointSpec {
  /** One per family of the addresses. */
  readonly gateways: readonly Ip[];
}

/** What detaching needs: it works when the namespace and the rest of the spec are gone. */
export type DetachTarget = Pick<EndpointSpec, "hostIfname" | "addresses"> & { readonly netns?: NetnsPath };

/** What endpoints need of addresses and of the kernel: the part of `ipam` and `overlay` that is used here. */
import type { Cidr, Ip } from "../../addr/index.ts";
import type { AttachedEndpoint, DetachTarget, EndpointSpec } from "../../overlay/index.ts";
import type { EndpointRef } from "./endpoint.ts";

export interface Lease {
  readonly network: string;
  readonly ip: Ip;
  readonly pool: Cidr;
}

/** `NodeIpam` keeps it. */
export interface AddressSource {
  /** One lease a family; the same ones when asked again by the same owner. */
  allocate(request: {
    readonly network: string;
    readonly owner: EndpointRef;
    readonly addresses?: readonly Ip[];
  }): Promise<readonly Lease[]>;
  /** Gives up what the owner holds and answers it; nothing held is nothing done. */
  release(network: string | undefined, owner: EndpointRef): Promise<readonly Lease[]>;
  leasesOf(owner: EndpointRef): readonly Lease[];
  /** Whoever owns it. */
  leaseAt(ip: Ip): Lease | undefined;
  /** @throws IPAM_POOL_EXHAUSTED, IPAM_FENCED, IPAM_NETWORK_NOT_FOUND */
  assertCanAllocate(network: string): void | Promise<void>;
}

/** What the agent knows of a network; `NetworkRecord` is one. */
export interface NetworkView {
  readonly pools: readonly { readonly cidr: Cidr; readonly gateway?: Ip }[];
  readonly mtu?: number;
}

export interface NetworkDirectory {
  network(name: string): NetworkView | undefined;
}

/** The overlay's `Reconciler` keeps it. */
export interface EndpointLinks {
  /** Idempotent; a failed attach leaves nothing. */
  attach(spec: EndpointSpec): Promise<AttachedEndpoint>;
  /** Makes the addresses unreachable before it answers; the link may go a moment later. Idempotent, the namespace may be gone. */
  detach(target: DetachTarget): Promise<void>;
  /** @throws OVERLAY_ENDPOINT_DRIFT */
  check(spec: EndpointSpec): Promise<void>;
}

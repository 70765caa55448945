/** What the driver needs of the fabric: its networks, the addresses of this node, the interfaces. */
import type { Cidr, Family, Ip } from "../../../addr/index.ts";
import type { NetworkBackend, NetworkPolicy } from "../../../ipam/index.ts";
import type { EndpointRef, Lease } from "../../endpoint/index.ts";

export interface PlannedNetwork {
  readonly name: string;
  readonly pools: readonly {
    readonly cidr: Cidr;
    readonly blockPrefix: number;
    readonly gateway?: Ip;
    readonly exclude?: readonly Cidr[];
  }[];
  readonly backend: NetworkBackend;
  readonly mtu?: number;
  readonly masquerade: boolean;
  readonly policy: NetworkPolicy;
  readonly deleting?: true;
}

export interface PlannedSpec {
  readonly name: string;
  readonly pools: readonly {
    readonly cidr: string;
    readonly gateway?: string;
    readonly exclude?: readonly string[];
  }[];
  readonly backend?: NetworkBackend;
  readonly mtu?: number;
  readonly masquerade?: boolean;
  readonly policy?: NetworkPolicy;
}

/** The address plan as this node sees it, and the way to change it. */
export interface FabricPlan {
  networks(): readonly PlannedNetwork[];
  network(name: string): PlannedNetwork | undefined;
  /** Single addresses that are claimed anywhere in the fabric. */
  isClaimed(ip: Ip): boolean;
  /** Resolves when this node knows the network. One of that name and with those pools counts as made. */
  create(spec: PlannedSpec): Promise<void>;
  /** Gives this node's empty blocks of the network back and deletes it. @throws IPAM_NETWORK_IN_USE */
  remove(name: string): Promise<void>;
}

export interface OwnedLease extends Lease {
  readonly owner: EndpointRef;
}

/** `NodeIpam` keeps it. */
export interface DockerAddresses {
  allocate(request: {
    readonly network: string;
    readonly owner: EndpointRef;
    readonly addresses?: readonly Ip[];
    readonly within?: Cidr;
    readonly families?: readonly Family[];
  }): Promise<readonly OwnedLease[]>;
  release(network: string | undefined, owner: EndpointRef): Promise<readonly OwnedLease[]>;
  leases(): readonly OwnedLease[];
  leaseAt(ip: Ip): OwnedLease | undefined;
  /** Claims a block ahead if need be. */
  assertCanAllocate(network: string): void | Promise<void>;
}

/**
 * The records of the address plan: who holds which addresses, and in which term.
 *
 * Always holds: (node, epoch) names one term for ever, since epochs of a node only rise and are never used
 * again; a claim is void as soon as no term of its (node, epoch) is stored. `serial` rises with every claim
 * made under one key, so that a request to release that was delayed on its way cannot hit a later claim.
 */
import type { Cidr, Family, Ip } from "../../addr/index.ts";

/** A container interface: CNI's CNI_CONTAINERID and CNI_IFNAME, or Docker's sandbox or endpoint id. */
export interface LeaseOwner {
  readonly containerId: string;
  readonly ifname: string;
}

/** One node's right to a slice of a pool. Stored at `ipam/blocks/<network>/<cidr>`. */
export interface BlockClaim {
  readonly network: string;
  /** `createdAtMs` of the network: a block of one that was deleted by force is void in its successor. */
  readonly networkCreatedAtMs: number;
  readonly pool: Cidr;
  readonly cidr: Cidr;
  readonly node: string;
  readonly epoch: number;
  readonly serial: number;
  /** Addresses of the block that the node must not hand out: edges, gateway, excluded, static ones of others. */
  readonly reserved: readonly Ip[];
}

/** One node's right to one address outside of its blocks. Stored at `ipam/statics/<network>/<ip>`. */
export interface StaticClaim {
  readonly network: string;
  readonly pool: Cidr;
  /** The block of the pool that the address lies in. */
  readonly block: Cidr;
  readonly ip: Ip;
  readonly node: string;
  readonly epoch: number;
  readonly serial: number;
  readonly owner: LeaseOwner;
}

/** A node's standing. Stored at `ipam/nodes/<node>`, and at `ipam/retired/<node>/<epoch>` once replaced. */
export interface NodeTerm {
  readonly node: string;
  readonly epoch: number;
  /** Counts renewals. The clock of reclaiming starts when a server first sees a new count. */
  readonly renewal: number;
  /** How long after its last renewal the node was promised to keep what it holds. */
  readonly reclaimAfterMs: number;
  /** The store that the epoch is of, when a recovery brought the term into this one. */
  readonly madeIn?: string;
}

/** One address held by one container interface. */
export interface AddressLease {
  readonly network: string;
  readonly ip: Ip;
  readonly pool: Cidr;
  readonly owner: LeaseOwner;
  readonly epoch: number;
  /** Wall clock, for people only. */
  readonly allocatedAtMs: number;
  /** The owner asked for this very address. */
  readonly isStatic: boolean;
}

export interface AllocateRequest {
  readonly network: string;
  readonly owner: LeaseOwner;
  /** Addresses wanted by name, at most one a family; the other families get any free one. */
  readonly addresses?: readonly Ip[];
  /** Of its family, only addresses of blocks that lie in this part of a pool. */
  readonly within?: Cidr;
  /** Default: every family that the network has a pool of. */
  readonly families?: readonly Family[];
}

/** What a node holds of one pool. */
export interface PoolStatus {
  readonly network: string;
  readonly pool: Cidr;
  readonly blocks: readonly Cidr[];
  /** Addresses that the node may hand out from its blocks, in use or not. */
  readonly capacity: number;
  /** Leases, static ones outside of the node's blocks included. */
  readonly used: number;
  readonly quarantined: number;
  readonly free: number;
}

export function isSameOwner(a: LeaseOwner, b: LeaseOwner): boolean {
  return a.containerId === b.containerId && a.ifname === b.ifname;
}

/** For messages: `3f2a…/eth0`. */
export function showOwner(owner: LeaseOwner): string {
  return `${owner.containerId.slice(0, 12)}/${owner.ifname}`;
}

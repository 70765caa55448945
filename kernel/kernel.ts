/**
 * The contract of the one door to Linux. A `Kernel` looks into and changes one network namespace; `inside`
 * opens another. Reads are full dumps filtered in the kernel or here; writes are a list of closed-union
 * operations, so that a plan is plain data that can be printed, compared and tested without a kernel.
 *
 * Two implementations keep it: netlink (`openKernel`) and the in-memory twin (`MemoryKernel`), held together
 * by one contract suite.
 */
import type { Cidr, Family, Ip, Mac } from "../addr/index.ts";
import type { FabricError } from "../errors/index.ts";
import type { KernelOperation } from "./operation.ts";

export type LinkDetail =
  | { readonly kind: "veth"; readonly peerIndex: number }
  | { readonly kind: "bridge" }
  | {
      readonly kind: "vxlan";
      readonly vni: number;
      readonly port: number;
      readonly local?: Ip;
      /** Index of the underlay link the outer packets are bound to; absent when the route decides. */
      readonly underlayIndex?: number;
      readonly learning: boolean;
    }
  | { readonly kind: "other"; readonly type: string };

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly mac?: Mac;
  readonly mtu: number;
  /** Administratively up (IFF_UP). */
  readonly up: boolean;
  /** Index of the bridge this link is a port of. */
  readonly masterIndex?: number;
  /** IFLA_IFALIAS; the ownership mark of links, `heddle:…`. */
  readonly alias?: string;
  readonly detail: LinkDetail;
}

export interface Address {
  readonly linkIndex: number;
  readonly ip: Ip;
  readonly prefix: number;
  /** rtnetlink scope: 0 universe, 253 link, 254 host. */
  readonly scope: number;
}

export type RouteType = "unicast" | "local" | "unreachable" | "blackhole";

export interface Route {
  readonly to: Cidr;
  readonly type: RouteType;
  readonly linkIndex?: number;
  /** Next hop; may be IPv6 for an IPv4 destination (RTA_VIA). */
  readonly via?: Ip;
  readonly onlink?: boolean;
  readonly source?: Ip;
  /** Who made it (rtm_protocol); 72 is ours. */
  readonly protocol: number;
  /** 254 is main. */
  readonly table: number;
  /** Absent for the family's default: 0 in IPv4, 1024 in IPv6. */
  readonly metric?: number;
  readonly mtu?: number;
  /** rtnetlink scope: 0 universe, 253 link, 254 host; absent for what follows from type and next hop. */
  readonly scope?: number;
}

export interface Rule {
  readonly family: Family;
  readonly priority: number;
  readonly from?: Cidr;
  readonly to?: Cidr;
  readonly fwmark?: number;
  readonly fwmask?: number;
  readonly table: number;
  readonly protocol: number;
}

export interface Neighbour {
  readonly linkIndex: number;
  readonly ip: Ip;
  readonly mac?: Mac;
  readonly permanent: boolean;
  /** A proxy entry (NTF_PROXY): this host answers for `ip` on the link. */
  readonly proxy?: boolean;
}

export interface FdbEntry {
  readonly linkIndex: number;
  readonly mac: Mac;
  /** VXLAN remote; absent for a plain bridge entry. */
  readonly destination?: Ip;
  readonly permanent: boolean;
}

export interface RouteQuery {
  readonly protocol?: number;
  readonly table?: number;
  readonly family?: Family;
}

/** The answer of the kernel to "which way to this address" (`ip route get`). */
export interface RoutePath {
  readonly linkIndex: number;
  /** Absent when the destination is on the link itself. */
  readonly via?: Ip;
  readonly source?: Ip;
}

/**
 * `sysctl`: what RTM_NEWNETCONF tells of `/proc/sys/net/ipv{4,6}/conf` (forwarding, rp_filter, proxy_arp…), not
 * all of it. `nft FAMILY NAME`: one nftables table, changed by anybody but the same kernel's `nftApply`.
 */
export type KernelTopic = "link" | "address" | "route" | "rule" | "neighbour" | "sysctl" | NftTopic;

export type NftTopic = `nft ${string} ${string}`;

/** A change was seen in a topic; `overrun` means that some were lost and a full dump is due (ENOBUFS). */
export type KernelEvent =
  | { readonly kind: "changed"; readonly topics: ReadonlySet<KernelTopic> }
  | { readonly kind: "overrun" };

/** Which namespace: a path such as /run/netns/c1 or /proc/1234/ns/net. */
export type NetnsPath = string;

export interface Kernel {
  links(): Promise<readonly Link[]>;
  /** One link by name, without a dump; undefined when there is none. */
  link(name: string): Promise<Link | undefined>;
  addresses(linkIndex?: number): Promise<readonly Address[]>;
  /** In normal form (see `normalRoute`); types outside of RouteType (broadcast, multicast…) are left out. */
  routes(query?: RouteQuery): Promise<readonly Route[]>;
  rules(family: Family): Promise<readonly Rule[]>;
  neighbours(linkIndex?: number): Promise<readonly Neighbour[]>;
  fdb(linkIndex: number): Promise<readonly FdbEntry[]>;
  /** @throws KERNEL_REFUSED when there is no way (ENETUNREACH and relatives) */
  routeTo(destination: Ip): Promise<RoutePath>;

  /**
   * Carries the operations out in order and goes on after a failure. The answer has one entry an operation:
   * undefined for done, else the error with errno and the kernel's own sentence.
   */
  apply(operations: readonly KernelOperation[]): Promise<readonly (FabricError | undefined)[]>;

  /** Reads `/proc/sys/net/…` of this namespace; path segments, as an interface name may hold a dot: `["ipv4", "conf", "eth0.5", "rp_filter"]`. */
  sysctl(path: readonly string[]): Promise<string>;

  /** Runs one nftables JSON ruleset (libnftables-json(5)) as one atomic transaction. */
  nftApply(commands: readonly unknown[]): Promise<void>;
  /** The objects of our table as libnftables-json lists them, elements included; undefined when there is no such table. */
  nftTable(family: string, name: string): Promise<readonly unknown[] | undefined>;

  /**
   * Yields once for each burst of changes; ends when the signal aborts. It listens from the call on, so that
   * a dump taken afterwards misses nothing. IPv4 routes that a link takes along are told by `link` alone.
   */
  events(topics: readonly KernelTopic[], signal: AbortSignal): AsyncIterable<KernelEvent>;

  /** Another namespace through the same door. @throws KERNEL_NO_NETNS when the path is not a network namespace */
  inside(netns: NetnsPath): Promise<Kernel>;
  /** Identity of the namespace this kernel speaks to, `dev:inode`. */
  readonly netnsId: string;
  close(): void;
}

/** Checks the result of `apply` and throws the first error. */
export async function applyAll(kernel: Kernel, operations: readonly KernelOperation[]): Promise<void> {
  const failed = (await kernel.apply(operations)).find((error) => error !== undefined);
  if (failed) throw failed;
}

/** What the resolver is told and asks: the catalog, the domains, and the policies that choose among instances. */
import type { Cidr, Ip } from "../../addr/index.ts";
import type { Clock } from "../../clock/index.ts";
import type { TtlPolicy } from "./answers/ttl.ts";
import type { CatalogReader, ServiceInstance } from "./catalog/catalog-reader.ts";
import type { HealthPolicy, Judgement } from "./choice/instances.ts";
import type { Standpoint } from "./choice/nearness.ts";
import type { Dialect } from "./dialect.ts";

export interface ResolverOptions {
  readonly catalog: CatalogReader;
  /** Lower case, without the last dot; the first is used in answers to reverse questions. At least one. */
  readonly domains: readonly [string, ...string[]];
  /** Each with a domain of its own. */
  readonly dialects: readonly Dialect[];
  readonly datacenter: string;
  /** Addresses of `ns.<domain>`: where this server listens. */
  readonly nameserverAddresses: () => readonly Ip[];
  /** Pools of the fabric: their reverse names are ours to deny. */
  readonly reversePools: () => readonly Cidr[];
  /** Networks of whoever asks: in them, names of containers need no domain. */
  readonly networksOf: (client: Ip) => readonly string[];
  readonly ttl: TtlPolicy;
  readonly health: HealthPolicy;
  readonly subset: SubsetPolicy;
  /** Where the clients of a subnet are, as far as the fabric knows. */
  readonly whereIs: (subnet: Cidr) => Standpoint | undefined;
  readonly clock: Clock;
  readonly random: () => number;
  /** Told of each choice among instances. */
  readonly onChoice?: (choice: Choice) => void;
}

export interface Choice {
  readonly judgement: Judgement;
  /** Those that are in the answer. */
  readonly named: readonly ServiceInstance[];
}

export interface SubsetPolicy {
  /** Most instances of a service in one answer, the same ones for the same client; 0 = all. A service's meta may say another. */
  readonly instancesMax: number;
  /** Stands for clients on loopback, which have one address on every node. */
  readonly node: string;
}

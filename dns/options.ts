/** Options of the DNS server, and what they are when left out. */
import { randomBytes, randomInt } from "node:crypto";
import { type Cidr, type Ip, isLoopback, parseFqdn } from "../addr/index.ts";
import { type Clock, systemClock } from "../clock/index.ts";
import { FabricError } from "../errors/index.ts";
import type { NameServer } from "./client/index.ts";
import { type DnsLimits, dnsLimitDefaults } from "./limits.ts";
import type { CertificateFiles, Endpoint } from "./listen/index.ts";
import { MesosDialect, type MesosServers } from "./mesos/index.ts";
import type {
  CatalogReader,
  Dialect,
  HealthPolicy,
  Standpoint,
  SubsetPolicy,
  TtlPolicy,
} from "./resolver/index.ts";
import { type CookiePolicy, sipKeyBytes } from "./serve/index.ts";
import { SkyDnsDialect } from "./skydns/index.ts";

export interface ForwardOptions {
  /** Whom to ask, best first. Default: the name servers in `resolvConf`, without ourselves. */
  readonly servers?: readonly NameServer[];
  /** Other servers for single zones; the longest zone that has a name counts. Zones are lower case, without the last dot. */
  readonly zones?: readonly { readonly zone: string; readonly servers: readonly NameServer[] }[];
  /** PEM of whom to trust for servers over TLS. Default: the authorities that Node trusts. */
  readonly ca?: string;
  readonly resolvConf?: string;
  /** Who may ask for names that are not ours. Default: loopback only. */
  readonly allowed?: (client: Ip) => boolean;
  /** Mix upper and lower case into forwarded names (0x20). Some old servers do not repeat it. Default: false. */
  readonly mixCase?: boolean;
}

export interface DialectOptions {
  /** SkyDNS's records under the keys `skydns/`, usually `skydns.local`. */
  readonly skydns?: string;
  /** Records below its `dns/stub` name other servers for single zones. Default: false. */
  readonly skydnsStubs?: boolean;
  /** Mesos-DNS's names over the catalog, usually `mesos`. */
  readonly mesos?: string;
}

/** DNS over TLS, on the addresses of `listen`. */
export interface TlsOptions extends CertificateFiles {
  /** Default: 853. */
  readonly port?: number;
}

export interface CookieOptions {
  /** 16 bytes each, the same on all servers behind one address; the first makes cookies. Default: one by chance. */
  readonly secrets?: readonly Uint8Array[];
  /** BADCOOKIE for a client over UDP that speaks of cookies and has none of ours yet. Default: false. */
  readonly required?: boolean;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface DnsServerOptions {
  /** Addresses to listen on, UDP and TCP each. Not the wildcard: a reply leaves from the address that was asked. */
  readonly listen: readonly Endpoint[];
  readonly catalog: CatalogReader;
  /** Default: `consul`, `heddle`. The first is used in reverse answers. */
  readonly domains?: readonly string[];
  /** Default: `dc1`. */
  readonly datacenter?: string;
  /** Absent: names that are not ours are refused. */
  readonly forward?: ForwardOptions;
  /** Pools of the fabric, whose reverse names are ours. */
  readonly reversePools?: () => readonly Cidr[];
  /** Networks of a client that is a container, whose neighbours it may name without a domain. Default: none. */
  readonly networksOf?: (client: Ip) => readonly string[];
  readonly ttl?: Partial<TtlPolicy>;
  readonly health?: Partial<HealthPolicy>;
  /** Grammars beside Consul's, by the domain that each answers for. Default: none. */
  readonly dialects?: DialectOptions;
  /** What `leader.mesos` and `master.mesos` name. Default: nothing. */
  readonly servers?: MesosServers;
  /** Default: every answer names all. */
  readonly subset?: Partial<SubsetPolicy>;
  /** Where the clients of a subnet are; for answers to resolvers that name one (RFC 7871), and to queries that sort. */
  readonly whereIs?: (subnet: Cidr) => Standpoint | undefined;
  readonly limits?: Partial<DnsLimits>;
  readonly cookies?: CookieOptions;
  /** Absent: no DNS over TLS. */
  readonly tls?: TlsOptions;
  /** Networks whose UDP replies are never limited in rate, besides loopback. Default: none. */
  readonly unlimited?: () => readonly Cidr[];
  /** `worker` answers hot names over UDP in a thread of its own; `main` has no threads. Default: `worker`. */
  readonly udp?: "worker" | "main";
  readonly clock?: Clock;
  /** 0 ≤ random() < 1; for the order of answers only. */
  readonly random?: () => number;
  readonly log?: (level: LogLevel, message: string, details: Readonly<Record<string, unknown>>) => void;
}

export interface SettledOptions {
  readonly listen: readonly Endpoint[];
  readonly catalog: CatalogReader;
  readonly domains: readonly [string, ...string[]];
  readonly datacenter: string;
  readonly forward:
    | (Required<Omit<ForwardOptions, "servers" | "ca">> & Pick<ForwardOptions, "servers" | "ca">)
    | undefined;
  readonly reversePools: () => readonly Cidr[];
  readonly networksOf: (client: Ip) => readonly string[];
  readonly ttl: TtlPolicy;
  readonly health: HealthPolicy;
  readonly dialects: readonly Dialect[];
  /** SkyDNS's domain, if its stub zones are looked at. */
  readonly stubDomain: string | undefined;
  readonly subset: SubsetPolicy;
  readonly whereIs: (subnet: Cidr) => Standpoint | undefined;
  readonly limits: DnsLimits;
  readonly cookies: CookiePolicy;
  readonly tls: Required<TlsOptions> | undefined;
  readonly unlimited: () => readonly Cidr[];
  readonly udp: "worker" | "main";
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: NonNullable<DnsServerOptions["log"]>;
}

/** @throws DNS_INVALID_OPTION, ADDR_INVALID_NAME */
export function settleOptions(options: DnsServerOptions): SettledOptions {
  const [first, ...others] = (options.domains ?? ["consul", "heddle"]).map((domain): string =>
    parseFqdn(domain),
  );
  const limits = { ...dnsLimitDefaults, ...options.limits };
  const health = { onlyPassing: false, panicThreshold: 0, ...options.health };
  const subset = { instancesMax: 0, node: "", ...options.subset };
  const ttl = { nodeSeconds: 0, serviceSeconds: {}, negativeSeconds: 0, ...options.ttl };
  if (!first) throw invalid("domains", "name at least one domain, and not the root");
  const dialects = makeDialects(options.dialects ?? {}, options.servers ?? (() => []));
  const allDomains = [first, ...others, ...dialects.map(({ domain }) => domain)];
  if (new Set(allDomains).size < allDomains.length || allDomains.includes(""))
    throw invalid("dialects", "give each a domain of its own, and not the root");
  const { skydns, skydnsStubs = false } = options.dialects ?? {};
  if (skydnsStubs && (skydns === undefined || !options.forward))
    throw invalid("dialects.skydnsStubs", "needs SkyDNS's dialect (--dialect skydns) and forwarding");
  if (options.listen.length === 0) throw invalid("listen", "name at least one address");
  if (options.listen.some(({ address }) => address === "0.0.0.0" || address === "::")) {
    throw invalid("listen", "name each address: a reply from the wildcard may leave from another address");
  }
  if (limits.udpBytesMax < 512 || limits.udpBytesMax > 65_000)
    throw invalid("limits.udpBytesMax", "512 to 65000");
  if (!(health.panicThreshold >= 0 && health.panicThreshold <= 1))
    throw invalid("health.panicThreshold", "0 to 1");
  if (!Number.isInteger(subset.instancesMax) || subset.instancesMax < 0)
    throw invalid("subset.instancesMax", "a whole number from 0 on");
  for (const seconds of [ttl.nodeSeconds, ttl.negativeSeconds, ...Object.values(ttl.serviceSeconds)]) {
    if (!Number.isInteger(seconds) || seconds < 0 || seconds > 0x7fffffff)
      throw invalid("ttl", "whole seconds from 0 on");
  }
  return {
    listen: options.listen,
    catalog: options.catalog,
    domains: [first, ...others],
    datacenter: (options.datacenter ?? "dc1").toLowerCase(),
    forward: options.forward && {
      resolvConf: "/etc/resolv.conf",
      allowed: isLoopback,
      mixCase: false,
      zones: [],
      ...options.forward,
    },
    reversePools: options.reversePools ?? (() => []),
    networksOf: options.networksOf ?? (() => []),
    ttl,
    health,
    dialects,
    stubDomain: skydnsStubs && skydns !== undefined ? parseFqdn(skydns) : undefined,
    subset,
    whereIs: options.whereIs ?? (() => undefined),
    limits,
    cookies: settleCookies(options.cookies),
    tls: options.tls && { port: 853, ...options.tls },
    unlimited: options.unlimited ?? (() => []),
    udp: options.udp ?? "worker",
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
    log: options.log ?? (() => {}),
  };
}

function makeDialects({ skydns, mesos }: DialectOptions, servers: MesosServers): readonly Dialect[] {
  return [
    ...(skydns === undefined ? [] : [new SkyDnsDialect(parseFqdn(skydns))]),
    ...(mesos === undefined ? [] : [new MesosDialect(parseFqdn(mesos), servers)]),
  ];
}

function settleCookies({
  secrets = [randomBytes(sipKeyBytes)],
  required = false,
}: CookieOptions = {}): CookiePolicy {
  if (secrets.length === 0 || secrets.some(({ length }) => length !== sipKeyBytes)) {
    throw invalid("cookies.secrets", `one or more of ${sipKeyBytes} bytes`);
  }
  return { secrets, required };
}

/** For query ids: not to be foretold. */
export function randomQueryId(): number {
  return randomInt(0x10000);
}

function invalid(option: string, rule: string): FabricError {
  return new FabricError("DNS_INVALID_OPTION", `start the DNS server: option ${option}: ${rule}`, {
    details: { option },
  });
}

/**
 * What ADD answers, per version of the protocol, and what CHECK reads back out of `prevResult`.
 * Source: SPEC.md section 5 of 0.4.0, 1.0.0 and 1.1.0.
 */
import * as z from "zod";
import {
  type Cidr,
  cidrFamily,
  cidrPrefix,
  type Family,
  familyBits,
  familyOf,
  type Ip,
} from "../../addr/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { AttachedEndpoint } from "../../overlay/index.ts";
import type { CniConfig } from "./config.ts";
import { type CniVersion, isAtLeast } from "./version.ts";

export interface CniRoute {
  readonly dst: string;
  readonly gw?: string | undefined;
}

/** What an IPAM plugin answers for one address. */
export interface DelegatedAddress {
  readonly ip: Ip;
  readonly pool: Cidr;
  readonly gateway?: Ip | undefined;
}

const anywhere: Readonly<Record<Family, string>> = { 4: "0.0.0.0/0", 6: "::/0" };

/** Of ADD as the plugin that makes the interface: host end first, so that `ips` name interface 1. */
export function interfaceResult(version: CniVersion, link: AttachedEndpoint, dns: object): object {
  const mtu = isAtLeast(version, "1.1.0") ? { mtu: link.mtu } : {};
  return {
    cniVersion: version,
    interfaces: [
      { name: link.hostIfname, mac: link.hostMac, ...mtu },
      { name: link.ifname, mac: link.mac, ...mtu, sandbox: link.netns },
    ],
    ips: link.addresses.map((ip) => {
      const gateway = link.gateways.find((each) => familyOf(each) === familyOf(ip));
      const address = `${ip}/${familyBits(familyOf(ip))}`;
      return { ...versionField(version, ip), address, ...(gateway ? { gateway } : {}), interface: 1 };
    }),
    routes: link.gateways.map((gw) => ({ dst: anywhere[familyOf(gw)], gw })),
    dns,
  };
}

/** Of ADD as the delegated IPAM plugin: addresses on their pool, no interfaces. */
export function addressResult(
  version: CniVersion,
  addresses: readonly DelegatedAddress[],
  routes: readonly CniRoute[] | undefined,
  dns: object,
): object {
  const families = [...new Set(addresses.map(({ pool }) => cidrFamily(pool)))];
  return {
    cniVersion: version,
    ips: addresses.map(({ ip, pool, gateway }) => ({
      ...versionField(version, ip),
      address: `${ip}/${cidrPrefix(pool)}`,
      ...(gateway ? { gateway } : {}),
    })),
    routes: routes ?? families.map((family) => defaultRoute(family, addresses)),
    dns,
  };
}

/** With its gateway by name: Debian's bridge adds a second default route otherwise. */
function defaultRoute(family: Family, addresses: readonly DelegatedAddress[]): CniRoute {
  const gw = addresses.find(({ pool, gateway }) => gateway && cidrFamily(pool) === family)?.gateway;
  return { dst: anywhere[family], ...(gw ? { gw } : {}) };
}

/** `ips[].version` was dropped by 1.0.0. */
function versionField(version: CniVersion, ip: Ip): object {
  return isAtLeast(version, "1.0.0") ? {} : { version: `${familyOf(ip)}` };
}

const previousSchema = z.looseObject({
  interfaces: z
    .array(z.looseObject({ name: z.string(), mac: z.string().optional(), sandbox: z.string().optional() }))
    .optional(),
  ips: z.array(z.looseObject({ address: z.string() })).optional(),
});

/**
 * Compares `prevResult` with what is attached. Plugins chained behind may have added to it, so more is fine.
 * @throws CNI_CONFIG_INVALID without a prevResult that can be read, ENDPOINT_LEASE_LOST when it says something else
 */
export function checkPrevious(
  config: CniConfig,
  addresses: readonly Ip[],
  link: AttachedEndpoint | undefined,
): void {
  const previous = previousSchema.safeParse(config.prevResult);
  if (!previous.success) {
    throw new FabricError(
      "CNI_CONFIG_INVALID",
      `check the container: prevResult is ${config.prevResult ? "not a CNI result" : "missing"}; pass the result of ADD`,
    );
  }
  const known = new Set(previous.data.ips?.map(({ address }) => address.split("/")[0]));
  const missing = addresses.filter((ip) => !known.has(ip)).map(String);
  const isKnown = previous.data.interfaces?.some(
    ({ name, mac, sandbox }) =>
      name === link?.ifname && (sandbox ?? link.netns) === link.netns && (mac ?? link.mac) === link.mac,
  );
  if (link && !isKnown) missing.push(`interface ${link.ifname} with MAC ${link.mac} in ${link.netns}`);
  if (missing.length === 0) return;
  throw new FabricError(
    "CNI_RESULT_MISMATCH",
    `check the container: prevResult lacks ${missing.join(", ")}, which is attached; remove the container and make it anew`,
    { details: { missing } },
  );
}

/**
 * Addresses of the twin and the routes Linux makes from them: a local route for the address, and a connected
 * route for its prefix, both while the link is up (IPv4 keeps the local one also while it is down). On
 * loopback the whole IPv4 prefix is local.
 */
import { cidrFromIp, familyBits, familyOf, hostCidr } from "../../addr/index.ts";
import type { Address, Route } from "../kernel.ts";
import type { KernelOperation } from "../operation.ts";
import {
  addressKey,
  kernelProtocol,
  localTable,
  mainTable,
  normalRoute,
  routeKey,
  scopeLink,
} from "../rows.ts";
import { dropRows, type MemoryNamespace } from "./namespace.ts";
import { findLink, refuse, seekLink } from "./refuse.ts";

type AddressOperation = Extract<KernelOperation, { readonly op: "address.put" | "address.delete" }>;

export function putAddress(ns: MemoryNamespace, op: AddressOperation): void {
  const link = findLink(ns, op.link, op);
  if (op.prefix < 0 || op.prefix > familyBits(familyOf(op.ip))) throw refuse(op, "EINVAL");
  const address = { linkIndex: link.index, ip: op.ip, prefix: op.prefix, scope: op.scope ?? 0 };
  ns.addresses.set(addressKey(address), address);
  ns.changed("address");
  if (link.up || familyOf(op.ip) === 4) addKernelRoutes(ns, address);
}

export function deleteAddress(ns: MemoryNamespace, op: AddressOperation): void {
  const link = seekLink(ns, op.link);
  if (!link) return;
  const address = { linkIndex: link.index, ip: op.ip, prefix: op.prefix, scope: op.scope ?? 0 };
  if (!ns.addresses.delete(addressKey(address))) return;
  ns.changed("address");
  dropRoutesFrom(ns, address);
}

/** Rows of the local table share a key with no other address; a connected row is not put over another's. */
export function addKernelRoutes(ns: MemoryNamespace, address: Address): void {
  const { linkIndex, ip, prefix } = address;
  const family = familyOf(ip);
  const made = { linkIndex, protocol: kernelProtocol };
  const source = family === 4 ? { source: ip } : {};
  const local: Route = { to: hostCidr(ip), type: "local", table: localTable, ...made, ...source };
  const rows = [family === 4 ? local : { ...local, metric: 0 }];
  const isLoopback = ns.links.get(linkIndex)?.name === "lo";
  if (isLoopback && family === 4) rows.push({ ...local, to: cidrFromIp(ip, prefix) });
  const isConnected = !isLoopback && (family === 6 || prefix < 32);
  if (ns.links.get(linkIndex)?.up && isConnected) {
    const metric = family === 6 ? { metric: 256 } : {};
    const scope = family === 4 ? { scope: scopeLink } : {};
    const to = cidrFromIp(ip, prefix);
    rows.push({ to, type: "unicast", table: mainTable, ...made, ...source, ...metric, ...scope });
  }
  for (const row of rows) if (!ns.routes.has(routeKey(row))) ns.routes.set(routeKey(row), normalRoute(row));
  ns.changed("route");
}

/** Drops what the address brought, and routes that prefer it as their source while no other link has it. */
export function dropRoutesFrom(ns: MemoryNamespace, address: Address): void {
  const { linkIndex, ip, prefix } = address;
  const isElsewhere = ns.addresses.values().some((other) => other.ip === ip);
  const connected = cidrFromIp(ip, prefix);
  const brought = (row: Route) =>
    row.protocol === kernelProtocol &&
    row.linkIndex === linkIndex &&
    ((row.to === hostCidr(ip) && row.table === localTable) || row.to === connected);
  if (dropRows(ns.routes, (row) => brought(row) || (!isElsewhere && row.source === ip))) ns.changed("route");
}

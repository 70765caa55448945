/**
 * The host settings that forwarding needs, wished for on top of what is there.
 *
 * With IPv6 forwarding on, the kernel ignores router advertisements unless accept_ra is 2, so an underlay
 * link that lives on them must be set to 2 first or the host loses its default route. Strict rp_filter
 * drops packets whose way back is another device, as between a host's own address and a remote container:
 * loose (2) on the underlay lets them pass. Linux takes the larger of `all` and the link's rp_filter, and 2
 * is loose. (networking/ip-sysctl.rst in the kernel's documentation.)
 */
import { cidrFamily } from "../../addr/index.ts";
import { isFabricError } from "../../errors/index.ts";
import type { Kernel, KernelOperation } from "../../kernel/index.ts";
import type { NodeDesired } from "../desired.ts";
import type { NodeObserved } from "../observed/index.ts";
import { type Tables, underlayLinks } from "./underlay.ts";

type Path = readonly string[];

const forward4: Path = ["ipv4", "ip_forward"];
const forward6: Path = ["ipv6", "conf", "all", "forwarding"];
const rpFilter = (link: string): Path => ["ipv4", "conf", link, "rp_filter"];
const acceptRa = (link: string): Path => ["ipv6", "conf", link, "accept_ra"];

/** Of both families, as `sysctlKey` makes them. */
export const forwardingKeys: readonly string[] = [forward4, forward6].map(sysctlKey);

export function sysctlKey(path: Path): string {
  return path.join("/");
}

/** Reads each setting that the plan may change or decides by. */
export async function observeSysctls(
  kernel: Kernel,
  desired: NodeDesired,
  tables: Tables,
): Promise<ReadonlyMap<string, string>> {
  const names = underlayLinks(desired.self, tables).map((link) => link.name);
  const paths = [forward4, forward6, rpFilter("all"), ...names.flatMap((n) => [rpFilter(n), acceptRa(n)])];
  const values = await Promise.all(paths.map(async (path) => [sysctlKey(path), await read(kernel, path)]));
  return new Map(values.flatMap(([key, value]) => (key && value !== undefined ? [[key, value]] : [])));
}

export function planSysctls(desired: NodeDesired, observed: NodeObserved): KernelOperation[] {
  const names = underlayLinks(desired.self, observed).map((link) => link.name);
  const wishes: (readonly [path: Path, value: string])[] = [[forward4, "1"]];
  const at = (path: Path) => observed.sysctls.get(sysctlKey(path));
  for (const name of names) {
    const effective = Math.max(Number(at(rpFilter("all")) ?? 0), Number(at(rpFilter(name)) ?? 0));
    if (effective === 1) wishes.push([rpFilter(name), "2"]);
  }
  if (desired.networks.some((network) => network.pools.some((pool) => cidrFamily(pool) === 6))) {
    for (const name of names) if (at(acceptRa(name)) === "1") wishes.push([acceptRa(name), "2"]);
    wishes.push([forward6, "1"]);
  }
  return wishes
    .filter(([path, value]) => at(path) !== undefined && at(path) !== value)
    .map(([path, value]) => ({ op: "sysctl.put", path, value }));
}

async function read(kernel: Kernel, path: Path): Promise<string | undefined> {
  try {
    return (await kernel.sysctl(path)).trim();
  } catch (error) {
    if (isFabricError(error, "KERNEL_REFUSED")) return undefined;
    throw error;
  }
}

/**
 * `/proc/sys/net` of the twin. It holds every name below the known trees, "0" until it is set, except that
 * the per-link directories (`ipv4/conf/<link>`) exist only while their link does.
 */
import { refusal } from "../refusal.ts";
import type { MemoryNamespace } from "./namespace.ts";

const trees = new Set(["core", "ipv4", "ipv6", "netfilter", "bridge"]);

export function readSysctl(ns: MemoryNamespace, path: readonly string[]): string {
  checkPath(ns, path, "read");
  return ns.sysctls.get(path.join("/")) ?? "0";
}

export function putSysctl(ns: MemoryNamespace, path: readonly string[], value: string): void {
  checkPath(ns, path, "write");
  const key = path.join("/");
  if (ns.sysctls.get(key) === value) return;
  ns.sysctls.set(key, value);
  if (key === "ipv4/ip_forward" || path[1] === "conf") ns.changed("sysctl");
}

function checkPath(ns: MemoryNamespace, path: readonly string[], action: string): void {
  const [tree = "", directory, link] = path;
  const isPerLink = directory === "conf" || directory === "neigh";
  const isLink =
    link === "all" || link === "default" || (link !== undefined && ns.linkNamed(link) !== undefined);
  if (!trees.has(tree) || path.length < 2 || (isPerLink && !isLink))
    throw refusal(`${action} sysctl net/${path.join("/")}`, "ENOENT");
}

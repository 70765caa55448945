/**
 * Which instances an answer may name. The rule: never one whose check is critical or whose node is down.
 * Instances that only warn are named, unless `onlyPassing`. When too few are left, a panic threshold can
 * decide to name all instances on living nodes again; it is off by default, as in Consul.
 */
import { type Ip, isIp, parseIp } from "../../addr/index.ts";
import type { ServiceInstance } from "./catalog-reader.ts";

export interface HealthPolicy {
  readonly onlyPassing: boolean;
  /** 0 to 1: below this healthy part of all instances, health is ignored. 0 = never. */
  readonly panicThreshold: number;
}

export function usableInstances(
  instances: readonly ServiceInstance[],
  tag: string | undefined,
  policy: HealthPolicy,
): readonly ServiceInstance[] {
  const asked = tag === undefined ? instances : instances.filter((instance) => hasTag(instance, tag));
  const alive = asked.filter((instance) => instance.nodeUp);
  const healthy = alive.filter(
    ({ status }) => status === "passing" || (status === "warning" && !policy.onlyPassing),
  );
  return healthy.length < policy.panicThreshold * asked.length ? alive : healthy;
}

function hasTag(instance: ServiceInstance, tag: string): boolean {
  return instance.tags.some((own) => own.toLowerCase() === tag);
}

/** Where the instance is reached. */
export type Place =
  | { readonly kind: "own"; readonly addresses: readonly [Ip] }
  | { readonly kind: "node"; readonly addresses: readonly Ip[] }
  | { readonly kind: "host"; readonly name: string };

export function placeOf(instance: ServiceInstance): Place {
  const { address } = instance;
  if (address === undefined || address === "") return { kind: "node", addresses: instance.nodeAddresses };
  if (!isIp(address)) return { kind: "host", name: address.endsWith(".") ? address.slice(0, -1) : address };
  const ip = parseIp(address);
  return instance.nodeAddresses.includes(ip)
    ? { kind: "node", addresses: [ip] }
    : { kind: "own", addresses: [ip] };
}

/**
 * Which instances an answer may name. The rule: never one whose check is critical, whose node is down, that is in
 * maintenance, or that rests because it flapped. Instances that only warn are named, unless `onlyPassing`.
 *
 * When less than the panic threshold of all asked instances is left, health is taken for wrong, as when a
 * network between agents and servers breaks, and every instance that no operator took out is named: all of them
 * share the load then, instead of the few survivors. It is off by default, as in Consul.
 */
import { familyOf, type Ip, isIp, parseIp } from "../../../addr/index.ts";
import type { ServiceInstance } from "../catalog/catalog-reader.ts";
import { type Asking, anyInstance, unfitness } from "./asking.ts";
import { serviceSetting } from "./service-settings.ts";

export interface HealthPolicy {
  readonly onlyPassing: boolean;
  /** 0 to 1: below this healthy part of all instances, health is ignored. 0 = never. A service's meta may say another. */
  readonly panicThreshold: number;
}

/** Why an instance is in an answer, or is not. */
export type Verdict =
  | "named"
  /** Unhealthy, and named because of the panic threshold. */
  | "panic"
  | "other-tag"
  | "other-port"
  | "maintenance"
  | "node-down"
  | "critical"
  | "warning"
  | "damped";

export interface Judgement {
  readonly verdicts: ReadonlyMap<ServiceInstance, Verdict>;
  readonly panicThreshold: number;
  readonly panic: boolean;
}

export function judgeInstances(
  instances: readonly ServiceInstance[],
  asking: Asking,
  policy: HealthPolicy,
): Judgement {
  const verdicts = new Map<ServiceInstance, Verdict>();
  let asked = 0;
  let healthy = 0;
  for (const instance of instances) {
    const verdict = unfitness(instance, asking) ?? healthOf(instance, policy);
    verdicts.set(instance, verdict);
    if (isAsked(verdict)) asked++;
    if (verdict === "named") healthy++;
  }
  const panicThreshold = serviceSetting(instances, "panicThreshold") ?? policy.panicThreshold;
  const panic = healthy < panicThreshold * asked;
  if (panic) {
    for (const [instance, verdict] of verdicts)
      if (isAsked(verdict) && verdict !== "maintenance" && verdict !== "named")
        verdicts.set(instance, "panic");
  }
  return { verdicts, panicThreshold, panic };
}

export function usableInstances(
  instances: readonly ServiceInstance[],
  policy: HealthPolicy,
): readonly ServiceInstance[] {
  const { verdicts } = judgeInstances(instances, anyInstance, policy);
  return instances.filter((instance) => isNamed(verdicts.get(instance)));
}

export function isNamed(verdict: Verdict | undefined): boolean {
  return verdict === "named" || verdict === "panic";
}

/** Would it be in an answer, flapping apart? */
export function isHealthy({ nodeUp, status, maintenance }: ServiceInstance): boolean {
  return nodeUp && status !== "critical" && !maintenance;
}

function healthOf(instance: ServiceInstance, policy: HealthPolicy): Verdict {
  if (instance.maintenance) return "maintenance";
  if (!instance.nodeUp) return "node-down";
  if (instance.status === "critical") return "critical";
  if (instance.status === "warning" && policy.onlyPassing) return "warning";
  return instance.damped ? "damped" : "named";
}

function isAsked(verdict: Verdict): boolean {
  return verdict !== "other-tag" && verdict !== "other-port";
}

/** Where the instance is reached. */
export type Place =
  /** The first is its main one. */
  | { readonly kind: "own"; readonly addresses: readonly Ip[] }
  | { readonly kind: "node"; readonly addresses: readonly Ip[] }
  | { readonly kind: "host"; readonly name: string };

export function placeOf({ address = "", lanAddresses = [], nodeAddresses }: ServiceInstance): Place {
  if (address !== "" && !isIp(address) && lanAddresses.length === 0)
    return { kind: "host", name: address.endsWith(".") ? address.slice(0, -1) : address };
  const stated = address === "" ? nodeAddresses : isIp(address) ? [parseIp(address)] : [];
  const families = new Set(lanAddresses.map(familyOf));
  const kept = stated.filter((ip) => lanAddresses.includes(ip) || !families.has(familyOf(ip)));
  const addresses = [...new Set([...kept, ...lanAddresses])];
  return { kind: addresses.every((ip) => nodeAddresses.includes(ip)) ? "node" : "own", addresses };
}

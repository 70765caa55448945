/**
 * What must come to hold once nothing fails any more: every agent's views are what the store says, every kernel is what
 * its plan says, and who is dead is seen as dead everywhere within its bound.
 */
import { hostCidr } from "../../../addr/index.ts";
import type { ServiceViewItem } from "../../../control/index.ts";
import type { BlockClaim, StaticClaim } from "../../../ipam/index.ts";
import { liveKey, livenessCheckId } from "../../../registry/index.ts";
import type { KernelNode } from "./kernel-node.ts";
import type { SessionAgent } from "./session-agent.ts";
import type { Truth } from "./truth.ts";

const fabricPrefixes = ["ipam/networks/", "ipam/blocks/", "ipam/statics/", "catalog/nodes/"];

/** Why the agent's views are not the truth yet; undefined when they are. */
export function viewsLag(agents: readonly SessionAgent[], truth: Truth): string | undefined {
  const registered = agents.flatMap(({ running, machine }) =>
    (running?.state.services() ?? []).map(({ id, port }) => `${machine.name}/${id} ${port}`),
  );
  const stored = stock(truth).map(({ key, value }) => `${key} ${JSON.stringify(JSON.parse(value))}`);
  for (const { running, machine } of agents) {
    if (!running) return `${machine.name} does not run`;
    const fabric = [...running.fabric.items].map(([key, item]) => `${key} ${JSON.stringify(item)}`);
    if (!isSame(fabric, stored)) return `${machine.name} has another view of the fabric than the store`;
    const service = [...running.service.items.values()].map((item) => {
      const { node, service: instance } = item as ServiceViewItem;
      return `${node.name}/${instance.id} ${instance.port}`;
    });
    if (!isSame(service, registered)) return `${machine.name} sees ${service.join()} of ${registered.join()}`;
  }
  return undefined;
}

export async function kernelLag(name: string, kernel: KernelNode, truth: Truth): Promise<string | undefined> {
  if ((await kernel.plan()).length > 0) return `the kernel of ${name} is not at its plan`;
  const [routes, wanted] = [await kernel.routes(), remotePrefixes(name, truth)];
  if (isSame(routes, wanted)) return undefined;
  return `the kernel of ${name} has routes to ${routes.join()}; others hold ${wanted.join()}`;
}

/** Where the dead node is taken for alive still. */
export function deadSeenAlive(
  dead: string,
  agents: readonly SessionAgent[],
  truth: Truth,
): string | undefined {
  if (truth.at(liveKey(dead), truth.revision)) return "in the store";
  for (const { running, machine } of agents) {
    for (const item of running?.service.items.values() ?? []) {
      const { node, checks } = item as ServiceViewItem;
      const isDead = checks.some(({ id, status }) => id === livenessCheckId && status === "critical");
      if (node.name === dead && !isDead) return `by ${machine.name}`;
    }
  }
  return undefined;
}

function stock(truth: Truth): { readonly key: string; readonly value: string }[] {
  return fabricPrefixes
    .flatMap((prefix) => truth.keys(prefix))
    .flatMap((key) => {
      const item = truth.at(key, truth.revision);
      return item ? [{ key, value: Buffer.from(item.value).toString() }] : [];
    });
}

/** Of nodes that are in the catalog. */
function remotePrefixes(self: string, truth: Truth): string[] {
  const prefixes = stock(truth).flatMap(({ key, value }) => {
    if (key.startsWith("ipam/blocks/")) {
      const { node, cidr } = JSON.parse(value) as BlockClaim;
      return node === self ? [] : [cidr];
    }
    if (!key.startsWith("ipam/statics/")) return [];
    const { node, ip } = JSON.parse(value) as StaticClaim;
    return node === self ? [] : [hostCidr(ip)];
  });
  return [...new Set(prefixes)].sort();
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.toSorted().join("\n") === b.toSorted().join("\n");
}

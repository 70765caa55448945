/** What must come to hold once nothing fails any more, as reasons why it does not yet: undefined when it does. */
import { hostCidr } from "../../../addr/index.ts";
import type { BlockClaim, StaticClaim } from "../../../ipam/index.ts";
import { liveKey } from "../../../registry/index.ts";
import type { AgentNode } from "./agent-node.ts";
import type { Truth } from "./truth.ts";

const fabricPrefixes = ["ipam/networks/", "ipam/blocks/", "ipam/statics/", "catalog/nodes/"];

/** Every agent has the store's view of the fabric, and names what runs everywhere with the status that it has. */
export function viewsLag(nodes: readonly AgentNode[], truth: Truth): string | undefined {
  const expected = nodes.flatMap((node) => [
    ...(node.process?.registrations.state.services() ?? []).map(
      ({ id, port }) => `${node.name}/${id}:${port} ${node.workloads.status(id)}`,
    ),
  ]);
  const stored = stock(truth).map(({ key, value }) => `${key} ${JSON.stringify(JSON.parse(value))}`);
  for (const { process, name } of nodes) {
    if (!process) return `${name} does not run`;
    if (!process.client.state.connected) return `${name} has no server`;
    if (!truth.at(liveKey(name), truth.revision)) return `${name} is dead in the store`;
    const fabric = [...process.fabric.items].map(([key, item]) => `${key} ${JSON.stringify(item)}`);
    if (!isSame(fabric, stored)) return `${name} has another view of the fabric than the store`;
    const named = process.names()?.map((one) => `${one.node}/${one.id}:${one.port} ${one.status}`);
    if (!named || !isSame(named, expected))
      return `${name} names ${named?.join() ?? "nothing yet"} instead of ${expected.join()}`;
    if (process.isMarkedStale()) return `${name} says that its names may be out of date`;
  }
  return undefined;
}

/** The kernel is at its plan, and has a route to each prefix of another node. */
export async function kernelLag(
  { name, host, process }: AgentNode,
  truth: Truth,
  work: <T>(promise: Promise<T>) => Promise<T | undefined>,
): Promise<string | undefined> {
  if (!process) return `${name} does not run`;
  const plan = await work(process.dataplane.reconciler.dryRun());
  if (!plan) return `a pass over the kernel of ${name} does not end`;
  if (plan.words.length > 0 || plan.ruleset)
    return `the kernel of ${name} lacks ${plan.words.join() || "its table"}`;
  const [routes, wanted] = [await host.remotePrefixes(), remotePrefixes(name, truth)];
  if (isSame(routes, wanted)) return undefined;
  return `the kernel of ${name} has routes to ${routes.join()}; others hold ${wanted.join()}`;
}

/** Who names an instance of the dead node as one to go to. */
export function namersOf(dead: string, nodes: readonly AgentNode[]): readonly string[] {
  return nodes
    .filter(({ process }) => process?.names()?.some((one) => one.node === dead && one.status !== "critical"))
    .map(({ name }) => name);
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

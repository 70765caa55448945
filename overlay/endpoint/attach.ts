/**
 * Gives a container its interface: a veth pair with the peer made straight in the container's namespace, no
 * bridge, and the rows of `rows.ts` on both sides. One batch a namespace: about 1 ms altogether.
 *
 * Always holds: a failed attach leaves nothing behind; attaching the same spec twice repairs and answers the
 * same; a link of that name without our mark is never touched. Router advertisements of a container are
 * refused before the link comes up, else a container could become the host's IPv6 router.
 */
import { type Family, familyOf } from "../../addr/index.ts";
import { FabricError, isFabricError } from "../../errors/index.ts";
import type { Kernel, KernelOperation, Link } from "../../kernel/index.ts";
import { endpointAlias, gatewayOf, isHostEnd } from "../ownership.ts";
import { rowOperation } from "../row.ts";
import { containerRows, hasIpv6, hostRows } from "./rows.ts";
import type { AttachedEndpoint, EndpointSpec } from "./spec.ts";

/**
 * @throws OVERLAY_NAME_TAKEN when the host has a foreign link of that name
 * @throws OVERLAY_ATTACH_FAILED with the kernel's error as cause, after undoing what was done
 * @throws KERNEL_NO_NETNS when the path is not a network namespace
 */
export async function attachEndpoint(kernel: Kernel, spec: EndpointSpec): Promise<AttachedEndpoint> {
  const container = await kernel.inside(spec.netns);
  try {
    const existing = await kernel.link(spec.hostIfname);
    const kept = existing !== undefined && (await isStillPaired(existing, container, spec));
    if (existing && !kept) await check(kernel, spec, [{ op: "link.delete", link: existing.index }]);
    const made = kept ? [] : [createPair(spec)];
    await program(kernel, container, spec, made);
    return { ...spec, gateways: families(spec).map(gatewayOf) };
  } finally {
    container.close();
  }
}

/** The steps in the host's namespace, then in the container's; undone when one fails. */
async function program(
  kernel: Kernel,
  container: Kernel,
  spec: EndpointSpec,
  made: readonly KernelOperation[],
): Promise<void> {
  if (made.length > 0) await check(kernel, spec, made);
  try {
    await check(kernel, spec, hostOperations(spec));
    await check(container, spec, containerOperations(spec));
  } catch (error) {
    const [undone] = await kernel.apply([{ op: "link.delete", link: spec.hostIfname }]);
    throw undone ? alsoNotUndone(spec, error, undone) : error;
  }
}

/** True when the pair of an earlier attach of this spec stands; false when it must be made anew. */
async function isStillPaired(existing: Link, container: Kernel, spec: EndpointSpec): Promise<boolean> {
  if (existing.detail.kind !== "veth" || !isHostEnd(existing)) {
    throw new FabricError(
      "OVERLAY_NAME_TAKEN",
      `attach ${spec.ifname} of container ${spec.containerId}: link ${spec.hostIfname} exists and is not Heddle's; rename or delete it`,
      { details: { link: spec.hostIfname, alias: existing.alias ?? "" } },
    );
  }
  const peer = await container.link(spec.ifname);
  return (
    existing.alias === endpointAlias(spec.containerId, spec.ifname) &&
    existing.mac === spec.hostMac &&
    peer?.detail.kind === "veth" &&
    peer.index === existing.detail.peerIndex &&
    peer.detail.peerIndex === existing.index &&
    peer.mac === spec.mac
  );
}

function createPair(spec: EndpointSpec): KernelOperation {
  const { hostIfname: name, hostMac, mtu, ifname, mac, netns } = spec;
  const alias = endpointAlias(spec.containerId, ifname);
  const peer = { name: ifname, mac, mtu, netns };
  return { op: "link.create", link: { kind: "veth", name, mac: hostMac, mtu, alias, peer } };
}

function hostOperations(spec: EndpointSpec): KernelOperation[] {
  const { hostIfname: link, mtu } = spec;
  const ipv6 = hasIpv6(spec.addresses)
    ? { path: ["ipv6", "conf", link, "accept_ra"], value: "0" }
    : { path: ["ipv6", "conf", link, "disable_ipv6"], value: "1" };
  return [
    { op: "sysctl.put", ...ipv6 },
    { op: "link.change", link, change: { mtu, up: true } },
    ...hostRows(spec).map((row) => rowOperation("put", row)),
  ];
}

function containerOperations(spec: EndpointSpec): KernelOperation[] {
  const { ifname: link, mtu } = spec;
  const ipv6: KernelOperation[] = hasIpv6(spec.addresses)
    ? [{ op: "sysctl.put", path: ["ipv6", "conf", link, "disable_ipv6"], value: "0" }]
    : [];
  return [
    ...ipv6,
    { op: "link.change", link, change: { mtu, up: true } },
    ...containerRows(spec).map((row) => rowOperation("put", row)),
  ];
}

async function check(
  kernel: Kernel,
  spec: EndpointSpec,
  operations: readonly KernelOperation[],
): Promise<void> {
  const errors = await kernel.apply(operations);
  const at = errors.findIndex((error, i) => error !== undefined && !isAbsentIpv6(operations[i], error));
  if (at < 0) return;
  throw new FabricError(
    "OVERLAY_ATTACH_FAILED",
    `attach ${spec.ifname} of container ${spec.containerId} in ${spec.netns}: ${errors[at]?.message}`,
    { cause: errors[at], details: { ...errors[at]?.details, hostIfname: spec.hostIfname } },
  );
}

/** A kernel without IPv6 has nothing to turn off. */
function isAbsentIpv6(operation: KernelOperation | undefined, error: FabricError): boolean {
  return (
    operation?.op === "sysctl.put" &&
    operation.path.at(-1) === "disable_ipv6" &&
    operation.value === "1" &&
    error.details["errnoName"] === "ENOENT"
  );
}

function alsoNotUndone(spec: EndpointSpec, error: unknown, undone: FabricError): FabricError {
  const message = isFabricError(error) ? error.message : String(error);
  return new FabricError(
    "OVERLAY_ATTACH_FAILED",
    `${message}; undoing it failed as well, delete link ${spec.hostIfname}: ${undone.message}`,
    { cause: error, details: { hostIfname: spec.hostIfname } },
  );
}

function families(spec: EndpointSpec): Family[] {
  return [...new Set(spec.addresses.map(familyOf))];
}

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
import { endpointAlias, gatewayOf, isHostEnd, rowOperation } from "../row/index.ts";
import { containerRows, hasIpv6, hostRows } from "./rows.ts";
import type { AttachedEndpoint, EndpointSpec, HandOver } from "./spec.ts";

/**
 * @throws OVERLAY_NAME_TAKEN when the host has a foreign link of that name
 * @throws OVERLAY_ATTACH_FAILED with the kernel's error as cause, after undoing what was done
 * @throws KERNEL_NO_NETNS when the path is not a network namespace
 */
export async function attachEndpoint(kernel: Kernel, spec: EndpointSpec): Promise<AttachedEndpoint> {
  if (spec.handover) return handOver(kernel, spec, spec.handover);
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

/**
 * The host's side only; the peer waits in the host's namespace until the runtime takes it. A pair of this very
 * endpoint is kept wherever its peer is: it may be in the running container by now.
 */
async function handOver(kernel: Kernel, spec: EndpointSpec, handover: HandOver): Promise<AttachedEndpoint> {
  const existing = await kernel.link(spec.hostIfname);
  const kept = existing !== undefined && isHostEndOf(existing, spec);
  if (existing && !kept) await check(kernel, spec, [{ op: "link.delete", link: existing.index }]);
  await program(kernel, undefined, spec, kept ? [] : [createPair(spec)]);
  return { ...spec, gateways: handover.gateways };
}

/** The steps in the host's namespace, then in the container's; undone when one fails. */
async function program(
  kernel: Kernel,
  container: Kernel | undefined,
  spec: EndpointSpec,
  made: readonly KernelOperation[],
): Promise<void> {
  if (made.length > 0) await check(kernel, spec, made);
  try {
    await check(kernel, spec, hostOperations(spec));
    if (container) await check(container, spec, containerOperations(spec));
  } catch (error) {
    const [undone] = await kernel.apply([{ op: "link.delete", link: spec.hostIfname }]);
    throw undone ? alsoNotUndone(spec, error, undone) : error;
  }
}

/** True when the pair of an earlier attach of this spec stands; false when it must be made anew. */
async function isStillPaired(existing: Link, container: Kernel, spec: EndpointSpec): Promise<boolean> {
  if (!isHostEndOf(existing, spec) || existing.detail.kind !== "veth") return false;
  const peer = await container.link(spec.ifname);
  return (
    peer?.detail.kind === "veth" &&
    peer.index === existing.detail.peerIndex &&
    peer.detail.peerIndex === existing.index &&
    peer.mac === spec.mac
  );
}

/** @throws OVERLAY_NAME_TAKEN when the link is somebody else's */
function isHostEndOf(existing: Link, spec: EndpointSpec): boolean {
  if (!isHostEnd(existing)) {
    throw new FabricError(
      "OVERLAY_NAME_TAKEN",
      `attach ${spec.ifname} of container ${spec.containerId}: link ${spec.hostIfname} exists and is not Heddle's; rename or delete it`,
      { details: { link: spec.hostIfname, alias: existing.alias ?? "" } },
    );
  }
  return existing.alias === endpointAlias(spec.containerId, spec.ifname) && existing.mac === spec.hostMac;
}

function createPair(spec: EndpointSpec): KernelOperation {
  const { hostIfname: name, hostMac, mtu, ifname, mac, netns, handover } = spec;
  const alias = endpointAlias(spec.containerId, ifname);
  const peer = handover ? { name: handover.peerIfname, mac, mtu } : { name: ifname, mac, mtu, netns };
  return { op: "link.create", link: { kind: "veth", name, mac: hostMac, mtu, alias, peer } };
}

function hostOperations(spec: EndpointSpec): KernelOperation[] {
  const { hostIfname: link, mtu } = spec;
  const ipv6 = hasIpv6(spec.addresses)
    ? { path: ["ipv6", "conf", link, "accept_ra"], value: "0" }
    : { path: ["ipv6", "conf", link, "disable_ipv6"], value: "1" };
  return [
    { op: "sysctl.put", ...ipv6 },
    ...(spec.handover ? [localNet(link)] : []),
    { op: "link.change", link, change: { mtu, up: true } },
    ...hostRows(spec).map((row) => rowOperation("put", row)),
  ];
}

/** Published ports answer on 127.0.0.1 as well; the `antispoof` chain keeps containers off the host's loopback. */
function localNet(link: string): KernelOperation {
  return { op: "sysctl.put", path: ["ipv4", "conf", link, "route_localnet"], value: "1" };
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

/**
 * The one VXLAN device. The MAC is given at creation (udev changes one that is not, systemd #1155); identity
 * is VNI, port, local address and MAC: a device with another one is made anew, MTU and state are changed in
 * place. A device of that name without our alias is another's and stays: then there is no vxlan.
 */
import { familyBits, familyOf } from "../../addr/index.ts";
import type { KernelOperation, Link, LinkSpec } from "../../kernel/index.ts";
import { firstOf } from "../backend.ts";
import type { FabricSelf } from "../desired.ts";
import { fabricMtu, outerFamily } from "../mtu.ts";
import {
  gateway4,
  isOurs,
  type Row,
  scopeLink,
  scopeUniverse,
  vxlanAlias,
  vxlanDevice,
} from "../row/index.ts";

export type DeviceSpec = Extract<LinkSpec, { kind: "vxlan" }> & { readonly mtu: number };

/** Undefined when the node has no underlay address. */
export function deviceSpec(self: FabricSelf, underlayMtu: number): DeviceSpec | undefined {
  const outer = outerFamily(self.underlay);
  const local = outer && firstOf(outer, self.underlay);
  if (!local) return undefined;
  return {
    kind: "vxlan",
    name: vxlanDevice,
    mac: self.vtepMac,
    mtu: fabricMtu(underlayMtu, self.underlay),
    alias: vxlanAlias,
    vni: self.vni,
    port: self.vxlanPort,
    local,
    learning: false,
  };
}

/**
 * The node's own addresses in the fabric, and the gateway's: without any IPv4 address on the device Linux takes a
 * loose rp_filter for a strict one (`no_addr` in fib_validate_source) and drops what a remote node sends from its
 * underlay address. The gateway address of scope link is never chosen as a source, so it serves.
 */
export function deviceAddresses({ fabric = [] }: FabricSelf): readonly Row[] {
  const on = { kind: "address", link: vxlanDevice } as const;
  return [
    { ...on, ip: gateway4, prefix: 32, scope: scopeLink },
    ...fabric.map((ip): Row => ({ ...on, ip, prefix: familyBits(familyOf(ip)), scope: scopeUniverse })),
  ];
}

export type DevicePlan =
  | { readonly kind: "foreign" }
  /** `rowsSurvive` is false when the kernel drops all rows on the device on the way. */
  | { readonly kind: "plan"; readonly operations: readonly KernelOperation[]; readonly rowsSurvive: boolean };

export function planDevice(wanted: DeviceSpec | undefined, observed: Link | undefined): DevicePlan {
  if (observed && !isOurs(observed)) return wanted ? { kind: "foreign" } : keep([]);
  if (!wanted) return observed ? gone([{ op: "link.delete", link: observed.index }]) : keep([]);
  if (observed && isSame(wanted, observed)) return keep(adjust(wanted, observed));
  const removal: KernelOperation[] = observed ? [{ op: "link.delete", link: observed.index }] : [];
  return gone([
    ...removal,
    { op: "link.create", link: wanted },
    // Packets from a remote node's own address come over the device while the way back is the underlay.
    { op: "sysctl.put", path: ["ipv4", "conf", wanted.name, "rp_filter"], value: "2" },
    { op: "sysctl.put", path: ["ipv6", "conf", wanted.name, "accept_ra"], value: "0" },
    { op: "link.change", link: wanted.name, change: { up: true } },
  ]);
}

function isSame(wanted: DeviceSpec, { detail, mac }: Link): boolean {
  return (
    detail.kind === "vxlan" &&
    detail.vni === wanted.vni &&
    detail.port === wanted.port &&
    detail.local === wanted.local &&
    detail.learning === wanted.learning &&
    mac === wanted.mac
  );
}

function adjust(wanted: DeviceSpec, observed: Link): KernelOperation[] {
  if (observed.up && observed.mtu === wanted.mtu && observed.alias === wanted.alias) return [];
  const change = { mtu: wanted.mtu, up: true, alias: vxlanAlias };
  return [{ op: "link.change", link: observed.index, change }];
}

function keep(operations: readonly KernelOperation[]): DevicePlan {
  return { kind: "plan", operations, rowsSurvive: true };
}

function gone(operations: readonly KernelOperation[]): DevicePlan {
  return { kind: "plan", operations, rowsSurvive: false };
}

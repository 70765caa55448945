/**
 * Links to and from netlink (RTM_NEWLINK, `struct ifinfomsg`; linux/if_link.h, rtnetlink(7)). A veth's other
 * end is a whole link message nested in IFLA_INFO_DATA, so it is born in its own namespace. It cannot be born up (ENOTCONN): its own other end is not there yet.
 */
import { familyOf, ipFromBytes, ipToBytes, type Mac, macFromBytes, macToBytes } from "../../addr/index.ts";
import type { Link, LinkDetail } from "../kernel.ts";
import type { LinkChange, LinkSpec, VethEnd } from "../operation.ts";
import { ifla, iflaVxlan, linkFlagUp, skipStatistics } from "./constants.ts";
import { type Attributes, readAttributes, readPort, readText, readU8, readU32 } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";

const headerLength = 16;
/** Linux's own default; ours is always given. */
const vxlanDefaultPort = 8472;

/** `change` are the flags that `flags` speaks about. */
export function writeLinkHeader(writer: MessageWriter, index: number, flags = 0, change = 0): void {
  writer.u32(0).u32(index).u32(flags).u32(change);
}

/** One link by name, or all. */
export function writeLinkQuery(writer: MessageWriter, name?: string): void {
  writeLinkHeader(writer, 0);
  if (name !== undefined) writer.attributeText(ifla.name, name);
  writer.attributeU32(ifla.extendedMask, skipStatistics);
}

/** `netnsFd` tells the descriptor of the peer's namespace. */
export function writeLinkSpec(writer: MessageWriter, spec: LinkSpec, netnsFd?: number): void {
  writeEnd(writer, spec);
  writer.nest(ifla.linkInfo, () => {
    writer.attributeText(ifla.infoKind, spec.kind);
    switch (spec.kind) {
      case "bridge":
        break;
      case "veth":
        writer.nest(ifla.infoData, () =>
          writer.nest(ifla.vethPeer, () => {
            writeEnd(writer, { ...spec.peer, up: false });
            if (netnsFd !== undefined) writer.attributeU32(ifla.netnsFd, netnsFd);
          }),
        );
        break;
      case "vxlan":
        writer.nest(ifla.infoData, () => writeVxlan(writer, spec));
        break;
      default:
        spec satisfies never;
    }
  });
}

function writeEnd(writer: MessageWriter, end: VethEnd & { readonly mtu?: number }): void {
  const up = end.up ? linkFlagUp : 0;
  writeLinkHeader(writer, 0, up, up);
  writer.attributeText(ifla.name, end.name);
  if (end.mac) writer.attribute(ifla.address, macToBytes(end.mac));
  if (end.mtu !== undefined) writer.attributeU32(ifla.mtu, end.mtu);
}

function writeVxlan(writer: MessageWriter, spec: LinkSpec & { readonly kind: "vxlan" }): void {
  const { vni, port, local, underlayIndex, learning } = spec;
  writer.attributeU32(iflaVxlan.id, vni);
  writer.attributePort(iflaVxlan.port, port);
  writer.attribute(familyOf(local) === 4 ? iflaVxlan.local : iflaVxlan.local6, ipToBytes(local));
  if (underlayIndex !== undefined) writer.attributeU32(iflaVxlan.link, underlayIndex);
  writer.attributeU8(iflaVxlan.learning, learning ? 1 : 0);
}

/** `target` is an index, or a name when the change does not rename. */
export function writeLinkChange(
  writer: MessageWriter,
  target: number | string,
  change: Omit<LinkChange, "masterIndex" | "netns"> & {
    masterIndex?: number;
    netnsFd?: number;
    group?: number;
  },
): void {
  const { name, mac, mtu, up, masterIndex, alias, netnsFd, group } = change;
  const flags = up ? linkFlagUp : 0;
  writeLinkHeader(writer, typeof target === "number" ? target : 0, flags, up === undefined ? 0 : linkFlagUp);
  const written = name ?? (typeof target === "string" ? target : undefined);
  if (written !== undefined) writer.attributeText(ifla.name, written);
  if (netnsFd !== undefined) writer.attributeU32(ifla.netnsFd, netnsFd);
  if (mac !== undefined) writer.attribute(ifla.address, macToBytes(mac));
  if (mtu !== undefined) writer.attributeU32(ifla.mtu, mtu);
  if (masterIndex !== undefined) writer.attributeU32(ifla.master, masterIndex);
  if (alias !== undefined) writer.attribute(ifla.alias, Buffer.from(alias));
  if (group !== undefined) writer.attributeU32(ifla.group, group);
}

/** @throws KERNEL_BAD_MESSAGE */
export function readLink(body: Buffer): Link {
  const attributes = readAttributes(body, headerLength);
  const mac = readMac(attributes.get(ifla.address));
  const masterIndex = readU32(attributes, ifla.master);
  const alias = readText(attributes, ifla.alias);
  return {
    index: body.readInt32LE(4),
    name: readText(attributes, ifla.name) ?? "",
    ...(mac === undefined ? {} : { mac }),
    mtu: readU32(attributes, ifla.mtu) ?? 0,
    up: (body.readUInt32LE(8) & linkFlagUp) !== 0,
    ...(masterIndex ? { masterIndex } : {}),
    ...(alias ? { alias } : {}),
    detail: readDetail(attributes),
  };
}

function readDetail(link: Attributes): LinkDetail {
  const nested = link.get(ifla.linkInfo);
  if (!nested) return { kind: "other", type: "device" };
  const info = readAttributes(nested, 0);
  const type = readText(info, ifla.infoKind) ?? "device";
  switch (type) {
    case "bridge":
      return { kind: "bridge" };
    case "veth":
      return { kind: "veth", peerIndex: readU32(link, ifla.link) ?? 0 };
    case "vxlan":
      return readVxlan(readAttributes(info.get(ifla.infoData) ?? Buffer.alloc(0), 0));
    default:
      return { kind: "other", type };
  }
}

function readVxlan(data: Attributes): LinkDetail {
  const local = data.get(iflaVxlan.local) ?? data.get(iflaVxlan.local6);
  const underlayIndex = readU32(data, iflaVxlan.link);
  return {
    kind: "vxlan",
    vni: readU32(data, iflaVxlan.id) ?? 0,
    port: readPort(data, iflaVxlan.port) ?? vxlanDefaultPort,
    ...(local?.some((byte) => byte !== 0) ? { local: ipFromBytes(local) } : {}),
    ...(underlayIndex ? { underlayIndex } : {}),
    learning: readU8(data, iflaVxlan.learning) !== 0,
  };
}

/** Links without a hardware address, or with one that is not Ethernet's, have none here. */
export function readMac(bytes: Buffer | undefined): Mac | undefined {
  return bytes?.length === 6 ? macFromBytes(bytes) : undefined;
}

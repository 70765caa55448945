/**
 * Neighbours and forwarding rows to and from netlink: one message for both (RTM_NEWNEIGH, `struct ndmsg`;
 * linux/neighbour.h). A forwarding row has family AF_BRIDGE: `self` with NDA_DST on a VXLAN device, `master`
 * on a port of a bridge, where a lasting row is `static` (NUD_NOARP): `permanent` there means the bridge's own.
 */
import { familyOf, ipFromBytes, ipToBytes, macToBytes } from "../../addr/index.ts";
import type { FdbEntry, Neighbour } from "../kernel.ts";
import { familyNumber } from "./address-codec.ts";
import { addressFamily, nda, neighbourFlag, neighbourState } from "./constants.ts";
import { readMac } from "./link-codec.ts";
import { readAttributes } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";

const headerLength = 12;

function writeHeader(writer: MessageWriter, family: number, linkIndex = 0, state = 0, flags = 0): void {
  writer.u32(family).u32(linkIndex).u16(state).u8(flags).u8(0);
}

export function writeNeighbour(writer: MessageWriter, row: Neighbour): void {
  const family = familyNumber(familyOf(row.ip));
  const state = row.permanent ? neighbourState.permanent : neighbourState.reachable;
  writeHeader(writer, family, row.linkIndex, row.proxy ? 0 : state, row.proxy ? neighbourFlag.proxy : 0);
  writer.attribute(nda.destination, ipToBytes(row.ip));
  if (row.mac !== undefined && !row.proxy) writer.attribute(nda.linkAddress, macToBytes(row.mac));
}

export function writeNeighbourQuery(writer: MessageWriter, isProxy: boolean, linkIndex?: number): void {
  writeHeader(writer, addressFamily.unspec, 0, 0, isProxy ? neighbourFlag.proxy : 0);
  if (linkIndex !== undefined) writer.attributeU32(nda.linkIndex, linkIndex);
}

/** Undefined for what Linux keeps for its own multicast and loopback. @throws KERNEL_BAD_MESSAGE */
export function readNeighbour(body: Buffer): Neighbour | undefined {
  const attributes = readAttributes(body, headerLength);
  const family = body.readUInt8(0);
  const state = body.readUInt16LE(8);
  const address = attributes.get(nda.destination);
  const isIp = family === addressFamily.ipv4 || family === addressFamily.ipv6;
  if (!isIp || !address || state & neighbourState.noArp) return undefined;
  const mac = readMac(attributes.get(nda.linkAddress));
  const isProxy = (body.readUInt8(10) & neighbourFlag.proxy) !== 0;
  return {
    linkIndex: body.readUInt32LE(4),
    ip: ipFromBytes(address),
    ...(mac ? { mac } : {}),
    permanent: !isProxy && (state & neighbourState.permanent) !== 0,
    ...(isProxy ? { proxy: true } : {}),
  };
}

export function writeFdbEntry(writer: MessageWriter, row: FdbEntry): void {
  const isVxlan = row.destination !== undefined;
  const lasting = isVxlan ? neighbourState.permanent : neighbourState.noArp;
  const state = row.permanent ? lasting : neighbourState.reachable;
  const flags = isVxlan ? neighbourFlag.self : neighbourFlag.master;
  writeHeader(writer, addressFamily.bridge, row.linkIndex, state, flags);
  writer.attribute(nda.linkAddress, macToBytes(row.mac));
  if (row.destination !== undefined) writer.attribute(nda.destination, ipToBytes(row.destination));
}

export function writeFdbQuery(writer: MessageWriter, linkIndex: number): void {
  writeHeader(writer, addressFamily.bridge);
  writer.attributeU32(nda.linkIndex, linkIndex);
}

/** @throws KERNEL_BAD_MESSAGE */
export function readFdbEntry(body: Buffer): FdbEntry | undefined {
  const attributes = readAttributes(body, headerLength);
  const mac = readMac(attributes.get(nda.linkAddress));
  if (body.readUInt8(0) !== addressFamily.bridge || !mac) return undefined;
  const destination = attributes.get(nda.destination);
  return {
    linkIndex: body.readUInt32LE(4),
    mac,
    ...(destination ? { destination: ipFromBytes(destination) } : {}),
    permanent: (body.readUInt16LE(8) & (neighbourState.permanent | neighbourState.noArp)) !== 0,
  };
}

/** Addresses to and from netlink (RTM_NEWADDR, `struct ifaddrmsg`; linux/if_addr.h). */
import { type Family, familyOf, type Ip, ipFromBytes, ipToBytes } from "../../addr/index.ts";
import type { Address } from "../kernel.ts";
import { addressFamily, ifa, noDuplicateDetection } from "./constants.ts";
import { badMessage, readAttributes } from "./message-reader.ts";
import type { MessageWriter } from "./message-writer.ts";

const headerLength = 8;

export function familyNumber(family: Family): number {
  return family === 4 ? addressFamily.ipv4 : addressFamily.ipv6;
}

export function writeAddress(writer: MessageWriter, row: Omit<Address, "scope">, scope = 0): void {
  const family = familyOf(row.ip);
  const bytes = ipToBytes(row.ip);
  writer.u8(familyNumber(family)).u8(row.prefix).u8(0).u8(scope).u32(row.linkIndex);
  writer.attribute(ifa.local, bytes).attribute(ifa.address, bytes);
  if (family === 6) writer.attributeU32(ifa.flags, noDuplicateDetection);
}

export function writeAddressQuery(writer: MessageWriter, linkIndex = 0): void {
  writer.u32(0).u32(linkIndex);
}

/** @throws KERNEL_BAD_MESSAGE */
export function readAddress(body: Buffer): Address {
  const attributes = readAttributes(body, headerLength);
  const bytes = attributes.get(ifa.local) ?? attributes.get(ifa.address);
  if (!bytes) throw badMessage("an address", "there is none in it");
  const ip: Ip = ipFromBytes(bytes);
  return { linkIndex: body.readUInt32LE(4), ip, prefix: body.readUInt8(1), scope: body.readUInt8(3) };
}

/**
 * A blocking UDP socket by the C library, since Node's own sockets take and give one datagram a call
 * (recvmmsg(2), sendmmsg(2), socket(7), ip(7), ipv6(7)). Layouts are those of 64-bit Linux, little-endian,
 * which is what Node runs on there. Synchronous calls only; symbols come from the process itself.
 */
import { constants } from "node:os";
import { errno, load } from "koffi";
import { familyOf, type Ip, ipFromBytes, ipToBytes } from "../../addr/index.ts";
import type { Endpoint } from "../listen/index.ts";

const afInet = 2;
const afInet6 = 10;
const sockDgramCloexec = 2 | 0o2000000;
const solSocket = 1;
const soRcvbuf = 8;
const soRcvtimeo = 20;
const ipprotoIpv6 = 41;
const ipv6V6only = 26;
const ipprotoIp = 0;
const ipMtuDiscover = 10;
const ipv6MtuDiscover = 23;
/** Never in fragments, and no belief in messages about a smaller MTU, which may be forged (ip(7), RFC 9715). */
const pmtudiscProbe = 3;
const msgDontwait = 0x40;

const ipv4AddressBytes = 16;
/** sockaddr_in6, the larger of the two. */
export const socketAddressBytes = 28;

const libc = load(null);
const socket: (family: number, type: number, protocol: number) => number =
  libc.func("int socket(int, int, int)");
const bind: (fd: number, address: Uint8Array, length: number) => number = libc.func(
  "int bind(int, const void *, uint32_t)",
);
const getsockname: (fd: number, address: Uint8Array, length: Uint8Array) => number = libc.func(
  "int getsockname(int, void *, void *)",
);
const setsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => number =
  libc.func("int setsockopt(int, int, int, const void *, uint32_t)");
const sendto: (
  fd: number,
  data: Uint8Array,
  length: number,
  flags: number,
  to: Uint8Array,
  toLength: number,
) => number = libc.func("intptr_t sendto(int, const void *, size_t, int, const void *, uint32_t)");
const close: (fd: number) => number = libc.func("int close(int)");

/** @throws an Error with `code`, as Node's sockets do */
export function openUdpSocket(endpoint: Endpoint, receiveBufferBytes: number, timeoutMs: number): number {
  const six = familyOf(endpoint.address) === 6;
  const fd = check(socket(six ? afInet6 : afInet, sockDgramCloexec, 0), "socket");
  try {
    if (six) check(setsockopt(fd, ipprotoIpv6, ipv6V6only, int32(1), 4), "setsockopt IPV6_V6ONLY");
    check(setsockopt(fd, solSocket, soRcvbuf, int32(receiveBufferBytes), 4), "setsockopt SO_RCVBUF");
    const [level, option] = six ? [ipprotoIpv6, ipv6MtuDiscover] : [ipprotoIp, ipMtuDiscover];
    check(setsockopt(fd, level, option, int32(pmtudiscProbe), 4), "setsockopt MTU_DISCOVER");
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(BigInt(Math.floor(timeoutMs / 1000)), 0);
    timeout.writeBigInt64LE(BigInt((timeoutMs % 1000) * 1000), 8);
    check(setsockopt(fd, solSocket, soRcvtimeo, timeout, timeout.length), "setsockopt SO_RCVTIMEO");
    const address = writeSocketAddress(endpoint);
    check(bind(fd, address, address.length), "bind");
  } catch (error) {
    close(fd);
    throw error;
  }
  return fd;
}

/** @throws an Error with `code` */
export function localPort(fd: number): number {
  const address = Buffer.alloc(socketAddressBytes);
  check(getsockname(fd, address, int32(address.length)), "getsockname");
  return address.readUInt16BE(2);
}

/** Sends now or not at all: a full send buffer loses the reply, as a full network would. */
export function sendDatagram(fd: number, data: Uint8Array, to: Uint8Array): void {
  sendto(fd, data, data.length, msgDontwait, to, to.length);
}

export function closeSocket(fd: number): void {
  close(fd);
}

export function readSocketAddress(bytes: Uint8Array): Ip {
  return bytes[0] === afInet ? ipFromBytes(bytes.subarray(4, 8)) : ipFromBytes(bytes.subarray(8, 24));
}

/** Where a socket address of that length has the address itself. */
export function clientAddressAt(socketAddressLength: number): {
  readonly at: number;
  readonly length: number;
} {
  return socketAddressLength === ipv4AddressBytes ? { at: 4, length: 4 } : { at: 8, length: 16 };
}

export function socketAddressLength(address: Ip): number {
  return familyOf(address) === 4 ? ipv4AddressBytes : socketAddressBytes;
}

function writeSocketAddress({ address, port }: Endpoint): Buffer {
  const bytes = Buffer.alloc(socketAddressLength(address));
  const six = familyOf(address) === 6;
  bytes.writeUInt16LE(six ? afInet6 : afInet, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(ipToBytes(address), six ? 8 : 4);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function check(result: number, call: string): number {
  if (result >= 0) return result;
  const number = errno();
  const code =
    Object.entries(constants.errno).find(([, value]) => value === number)?.[0] ?? `errno ${number}`;
  throw Object.assign(new Error(`${call}: ${code}`), { code });
}

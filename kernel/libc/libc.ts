/**
 * The few calls into the C library that Node has no name for. Synchronous only: koffi's asynchronous calls
 * and callbacks run on other threads, and a thread started between two `setns` stays in the wrong namespace.
 * A koffi call costs about 0.3 µs. Symbols are taken from the process itself, so glibc and musl are one.
 */
import { errno as lastErrno, load } from "koffi";
import { refusal } from "../refusal.ts";

const self = load(null);

const cSocket = self.func("int socket(int domain, int type, int protocol)") as (...args: number[]) => number;
const cSetns = self.func("int setns(int fd, int nstype)") as (fd: number, type: number) => number;
const cDup3 = self.func("int dup3(int from, int to, int flags)") as (...args: number[]) => number;
const cClose = self.func("int close(int fd)") as (fd: number) => number;
type WithBytes = (fd: number, bytes: Uint8Array, length: number) => number;
const cBind = self.func("int bind(int fd, void *address, uint32_t length)") as WithBytes;
type WithFlags = (fd: number, bytes: Uint8Array, length: number, flags: number) => number;
const cSend = self.func("long send(int fd, void *bytes, size_t length, int flags)") as WithFlags;
const cReceive = self.func("long recv(int fd, void *bytes, size_t length, int flags)") as WithFlags;
type SetOption = (fd: number, level: number, name: number, value: Uint8Array, length: number) => number;
const cSetOption = self.func(
  "int setsockopt(int fd, int level, int name, void *value, uint32_t length)",
) as SetOption;

const cMemoryFile = self.func("int memfd_create(const char *name, unsigned int flags)") as (
  name: string,
  flags: number,
) => number;

const closeOnExec = 0x80000;
const netNamespace = 0x40000000;

/** A descriptor that no child inherits. @throws KERNEL_REFUSED */
export function openSocket(domain: number, type: number, protocol: number): number {
  return checked(cSocket(domain, type | closeOnExec, protocol), "open a socket");
}

export function bindSocket(fd: number, address: Uint8Array): void {
  checked(cBind(fd, address, address.length), "bind a socket");
}

export function setSocketOption(fd: number, level: number, name: number, value: Uint8Array): void {
  checked(cSetOption(fd, level, name, value, value.length), `set socket option ${level}/${name}`);
}

/** Makes `to` another name of `from`, closing what it was. */
export function replaceDescriptor(from: number, to: number): void {
  checked(cDup3(from, to, closeOnExec), "duplicate a descriptor");
}

export function closeDescriptor(fd: number): void {
  cClose(fd);
}

/** Moves the calling thread into a network namespace; answers 0 or the errno. */
export function enterNetworkNamespace(fd: number): number {
  return cSetns(fd, netNamespace) === 0 ? 0 : lastErrno();
}

/** A file without a name that goes with its last descriptor (memfd_create(2)). */
export function openMemoryFile(name: string): number {
  return checked(cMemoryFile(name, memoryFileCloseOnExec), "make a file in memory");
}

const memoryFileCloseOnExec = 1;

/** Answers how many bytes were sent, or minus the errno. */
export function send(fd: number, bytes: Uint8Array, length: number): number {
  const sent = cSend(fd, bytes, length, 0);
  return sent < 0 ? -lastErrno() : sent;
}

/** Answers how many bytes one message has (more than the buffer when it was cut), or minus the errno. */
export function receive(fd: number, buffer: Uint8Array): number {
  const length = cReceive(fd, buffer, buffer.length, truncatedLength);
  return length < 0 ? -lastErrno() : length;
}

/** MSG_TRUNC */
const truncatedLength = 0x20;

function checked(result: number, action: string): number {
  if (result < 0) throw refusal(action, lastErrno());
  return result;
}

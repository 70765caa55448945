/**
 * One NETLINK_ROUTE socket and its conversations. Linux answers a request before send(2) returns, so every
 * conversation is one synchronous stretch: write, send, read the answer. Two never mix on a socket.
 *
 * Only the last message of a batch asks for an acknowledgement; a failing one is answered in any case, by its
 * sequence number. The receive buffer (`receiveBufferBytes`) holds the errors of a whole batch
 * (`batchMax` of at most 1.3 KiB each with bookkeeping), so no answer is lost.
 */
import { FabricError } from "../../errors/index.ts";
import { bindSocket, closeDescriptor, openSocket, receive, send, setSocketOption } from "../libc/index.ts";
import { refusal } from "../refusal.ts";
import { addressFamily, flag, messageType } from "./constants.ts";
import { type NetlinkMessage, readMessages, readVerdict, type Verdict } from "./message-reader.ts";
import { MessageWriter } from "./message-writer.ts";

/** Requests sent at once. */
export const batchMax = 1024;
/** Bytes of a batch, below SO_SNDBUF. */
export const batchMaxBytes = 256 * 1024;
export const sendBufferBytes = 1024 * 1024;
export const receiveBufferBytes = 4 * 1024 * 1024;
/** How long Linux may keep us waiting; it holds a lock while it waits for others' requests. */
export const answerTimeoutMs = 5000;
/** How often a table that changes while it is read is read again. */
export const dumpAttemptsMax = 10;
/** Linux sends at most 32 KiB at once to a reader with this buffer. */
const readBytes = 64 * 1024;

const rawSocket = 3;
const solSocket = 1;
const solNetlink = 270;
const socketOption = { receiveTimeout: 20, sendBufferForce: 32, receiveBufferForce: 33 };
const netlinkOption = { cappedAck: 10, extendedAck: 11, strictDumps: 12 };
const errnoInterrupted = 4;

export interface DescriptorOptions {
  /** NETLINK_*, default NETLINK_ROUTE. */
  readonly protocol?: number;
  /** Mask of the groups subscribed to. */
  readonly groups?: number;
  readonly typeFlags?: number;
}

/** Makes a bound descriptor in the current namespace. */
export function openNetlinkDescriptor(bufferBytes: number, options: DescriptorOptions = {}): number {
  const { protocol = 0, groups = 0, typeFlags = 0 } = options;
  const fd = openSocket(addressFamily.netlink, rawSocket | typeFlags, protocol);
  try {
    setSocketOption(fd, solSocket, socketOption.receiveBufferForce, int32(bufferBytes));
    const address = Buffer.alloc(12);
    address.writeUInt16LE(addressFamily.netlink, 0);
    address.writeUInt32LE(groups, 8);
    bindSocket(fd, address);
    return fd;
  } catch (error) {
    closeDescriptor(fd);
    throw error;
  }
}

/** Where datagrams go out and come in; both answer a length or minus the errno. */
export interface NetlinkChannel {
  send(bytes: Uint8Array): number;
  /** One datagram; its whole length also when the buffer was too short. */
  receive(buffer: Uint8Array): number;
  close(): void;
}

/** Belongs for good to the namespace in which it is opened. @throws KERNEL_REFUSED */
export function openChannel(): NetlinkChannel {
  const fd = openNetlinkDescriptor(receiveBufferBytes);
  let isClosed = false;
  const timeout = Buffer.alloc(16);
  timeout.writeBigInt64LE(BigInt(Math.floor(answerTimeoutMs / 1000)), 0);
  setSocketOption(fd, solSocket, socketOption.receiveTimeout, timeout);
  setSocketOption(fd, solSocket, socketOption.sendBufferForce, int32(sendBufferBytes));
  for (const option of Object.values(netlinkOption)) setSocketOption(fd, solNetlink, option, int32(1));
  return {
    send: (bytes) => send(fd, bytes, bytes.length),
    receive: (buffer) => receive(fd, buffer),
    close: () => {
      if (!isClosed) closeDescriptor(fd);
      isClosed = true;
    },
  };
}

export class NetlinkSocket {
  readonly #channel: NetlinkChannel;
  readonly #buffer = Buffer.allocUnsafeSlow(readBytes);
  #sequence = 0;
  readonly writer = new MessageWriter();

  constructor(channel: NetlinkChannel) {
    this.#channel = channel;
  }

  close(): void {
    this.#channel.close();
  }

  nextSequence(): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    return this.#sequence;
  }

  /** One question with one answer; undefined when Linux only acknowledged. @throws KERNEL_REFUSED */
  ask(what: string, type: number, write: (writer: MessageWriter) => void): NetlinkMessage | undefined {
    const sequence = this.#start(type, flag.request | flag.ack, write);
    let answer: NetlinkMessage | undefined;
    for (;;) {
      for (const message of this.#read(what)) {
        if (message.sequence !== sequence) continue;
        if (message.type !== messageType.error) {
          answer ??= { ...message, body: Buffer.from(message.body) };
          continue;
        }
        throwIfRefused(what, readVerdict(message));
        return answer;
      }
    }
  }

  /**
   * Reads a whole table. A table that changed meanwhile (NLM_F_DUMP_INTR) is read again.
   * @throws KERNEL_DUMP_INTERRUPTED after `dumpAttemptsMax`, KERNEL_REFUSED
   */
  dump<T>(
    what: string,
    type: number,
    write: (writer: MessageWriter) => void,
    read: (body: Buffer) => T | undefined,
  ): T[] {
    for (let attempt = 0; attempt < dumpAttemptsMax; attempt++) {
      const rows = this.#dumpOnce(what, type, write, read);
      if (rows) return rows;
    }
    throw new FabricError(
      "KERNEL_DUMP_INTERRUPTED",
      `${what}: the table changed during each of ${dumpAttemptsMax} readings; something rewrites it without end`,
    );
  }

  #dumpOnce<T>(
    what: string,
    type: number,
    write: (writer: MessageWriter) => void,
    read: (body: Buffer) => T | undefined,
  ): T[] | undefined {
    const sequence = this.#start(type, flag.request | flag.dump, write);
    const rows: T[] = [];
    let isWhole = true;
    for (;;) {
      for (const message of this.#read(what)) {
        if (message.sequence !== sequence) continue;
        if (message.flags & flag.dumpInterrupted && message.type !== messageType.error) isWhole = false;
        if (message.type === messageType.done || message.type === messageType.error) {
          throwIfRefused(what, readVerdict(message));
          return isWhole ? rows : undefined;
        }
        const row = read(message.body);
        if (row !== undefined) rows.push(row);
      }
    }
  }

  #start(type: number, flags: number, write: (writer: MessageWriter) => void): number {
    const sequence = this.nextSequence();
    this.writer.reset();
    write(this.writer.begin(type, flags, sequence));
    this.writer.end();
    this.#send("ask Linux");
    return sequence;
  }

  /** Sends what stands in the writer; `lastSequence` is that of its last message. Answers the failures. */
  sendBatch(what: string, lastSequence: number): ReadonlyMap<number, Verdict> {
    const failures = new Map<number, Verdict>();
    this.writer.flag(flag.ack);
    this.#send(what);
    for (;;) {
      for (const message of this.#read(what)) {
        if (message.type !== messageType.error) continue;
        const verdict = readVerdict(message);
        if (verdict.errno !== 0) failures.set(message.sequence, verdict);
        if (message.sequence === lastSequence) return failures;
      }
    }
  }

  #send(what: string): void {
    const sent = this.#channel.send(this.writer.bytes);
    if (sent < 0) throw refusal(what, -sent);
  }

  /** The messages of the next datagram. */
  *#read(what: string): Generator<NetlinkMessage> {
    let length = this.#channel.receive(this.#buffer);
    while (length === -errnoInterrupted) length = this.#channel.receive(this.#buffer);
    if (length < 0) throw noAnswer(what, -length);
    if (length > this.#buffer.length) throw noAnswer(what, 0);
    yield* readMessages(this.#buffer.subarray(0, length));
  }
}

function throwIfRefused(what: string, { errno, sentence }: Verdict): void {
  if (errno !== 0) throw refusal(what, errno, sentence);
}

function noAnswer(what: string, errno: number): FabricError {
  const cause = errno === 0 ? {} : { cause: refusal("receive", errno) };
  return new FabricError(
    "KERNEL_NO_ANSWER",
    `${what}: Linux gave no whole answer within ${answerTimeoutMs} ms; look for a stuck network driver in dmesg`,
    cause,
  );
}

function int32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

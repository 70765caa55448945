/**
 * Memory for one batch of datagrams, laid out once: buffers in and out, and the two arrays of mmsghdr that
 * recvmmsg(2) and sendmmsg(2) read, which share the clients' addresses. Slot i of the one is slot i of the
 * other, so a reply needs only its length set. Buffers have an odd number of cache lines, or all of them
 * would fall into the same few sets of the cache.
 */
import { address as addressOf } from "koffi";
import { socketAddressBytes } from "./udp-socket.ts";

export const batchMax = 64;

/** A larger query is cut by the kernel and marked so. */
export const queryBytesMax = 2048;
const cacheLineBytes = 64;
const queryStride = queryBytesMax + cacheLineBytes;
const nameStride = 32;
const headerBytes = 64;
const iovecBytes = 16;
const truncatedFlag = 0x20;

const nameAt = 0;
const nameLengthAt = 8;
const iovecAt = 16;
const iovecCountAt = 24;
const flagsAt = 48;
const lengthAt = 56;

export class Batch {
  readonly queries = Buffer.alloc(batchMax * queryStride);
  readonly replies: Buffer;
  readonly receiveHeaders = Buffer.alloc(batchMax * headerBytes);
  readonly sendHeaders = Buffer.alloc(batchMax * headerBytes);
  readonly replyStride: number;
  readonly #names = Buffer.alloc(batchMax * nameStride);
  readonly #receiveIovecs = Buffer.alloc(batchMax * iovecBytes);
  readonly #sendIovecs = Buffer.alloc(batchMax * iovecBytes);
  readonly #receiveWords = words(this.receiveHeaders);
  readonly #sendIovecWords = words(this.#sendIovecs);
  readonly #nameBytes: number;

  /** @param nameBytes length of a client's address: one family a socket */
  constructor(replyBytesMax: number, nameBytes: number) {
    this.replyStride = (Math.ceil(replyBytesMax / cacheLineBytes / 2) * 2 + 1) * cacheLineBytes;
    this.replies = Buffer.alloc(batchMax * this.replyStride);
    this.#nameBytes = nameBytes;
    const names = addressOf(this.#names);
    const lay = (headers: Buffer, iovecs: Buffer, data: Buffer, stride: number, nameLength: number) => {
      for (let i = 0; i < batchMax; i++) {
        headers.writeBigUInt64LE(names + BigInt(i * nameStride), i * headerBytes + nameAt);
        headers.writeUInt32LE(nameLength, i * headerBytes + nameLengthAt);
        headers.writeBigUInt64LE(addressOf(iovecs) + BigInt(i * iovecBytes), i * headerBytes + iovecAt);
        headers.writeBigUInt64LE(1n, i * headerBytes + iovecCountAt);
        iovecs.writeBigUInt64LE(addressOf(data) + BigInt(i * stride), i * iovecBytes);
        iovecs.writeBigUInt64LE(BigInt(queryBytesMax), i * iovecBytes + 8);
      }
    };
    lay(this.receiveHeaders, this.#receiveIovecs, this.queries, queryStride, socketAddressBytes);
    lay(this.sendHeaders, this.#sendIovecs, this.replies, this.replyStride, nameBytes);
  }

  queryStart(i: number): number {
    return i * queryStride;
  }

  /** 0 if the datagram was larger than `queryBytesMax`. */
  queryLength(i: number): number {
    const flags = this.#receiveWords[(i * headerBytes + flagsAt) / 4] as number;
    return (flags & truncatedFlag) === 0
      ? (this.#receiveWords[(i * headerBytes + lengthAt) / 4] as number)
      : 0;
  }

  setReplyLength(i: number, length: number): void {
    this.#sendIovecWords[(i * iovecBytes + 8) / 4] = length;
  }

  /** A copy of the client's socket address. */
  client(i: number): Uint8Array {
    return new Uint8Array(this.#names.subarray(i * nameStride, i * nameStride + this.#nameBytes));
  }

  sendHeadersFrom(i: number): Buffer {
    return this.sendHeaders.subarray(i * headerBytes);
  }
}

function words(bytes: Buffer): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

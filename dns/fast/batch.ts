/**
 * Memory for one batch of datagrams, laid out once: a buffer for each, the clients' addresses, and the arrays of
 * mmsghdr that recvmmsg(2) and sendmmsg(2) read. A reply is written over its query and leaves from there. Buffers
 * have an odd number of cache lines, or all of them would fall into the same few sets of the cache.
 *
 * Replies of one length to one socket, one after the other, are given to the kernel as one train, which it cuts
 * into datagrams (UDP_SEGMENT, udp(7)): way and headers are looked up once. That serves clients that ask much from
 * one socket, as HAProxy, nginx and other resolvers do.
 */
import { address as addressOf } from "koffi";
import { queryBytesMax } from "./query-view.ts";
import { socketAddressBytes } from "./udp-socket.ts";

export const batchMax = 64;

const cacheLineBytes = 64;
const nameStride = 32;
const headerBytes = 64;
const iovecBytes = 16;
const controlBytes = 24;
const truncatedFlag = 0x20;
/** A train is one IP packet for the kernel until it is cut. */
const trainBytesMax = 65_000;
const solUdp = 17;
const udpSegment = 103;

/** 32-bit words of a mmsghdr. */
const nameWord = 0;
const iovecWord = 4;
const iovecCountWord = 6;
const controlWord = 8;
const controlLengthWord = 10;
const flagsWord = 12;
const lengthWord = 14;
const headerWords = headerBytes / 4;
const iovecWords = iovecBytes / 4;
const controlWords = controlBytes / 4;
/** cmsghdr (16 bytes) and a 16-bit number. */
const controlUsedBytes = 18;

export class Batch {
  readonly messages: Buffer;
  readonly receiveHeaders = Buffer.alloc(batchMax * headerBytes);
  readonly sendHeaders = Buffer.alloc(batchMax * headerBytes);
  /** Bytes of one buffer that a reply may take. */
  readonly roomBytes: number;
  /** Sets of replies that leave with the next call. */
  trains = 0;
  readonly #stride: number;
  readonly #names = Buffer.alloc(batchMax * nameStride);
  readonly #receiveIovecs = Buffer.alloc(batchMax * iovecBytes);
  readonly #sendIovecs = Buffer.alloc(batchMax * iovecBytes);
  readonly #controls = Buffer.alloc(batchMax * controlBytes);
  readonly #receive = words(this.receiveHeaders);
  readonly #send = words(this.sendHeaders);
  readonly #sendIovec = words(this.#sendIovecs);
  readonly #control = words(this.#controls);
  readonly #name = words(this.#names);
  /** Where these are, as low and high halves. */
  readonly #messageAddress = new Int32Array(batchMax * 2);
  readonly #nameAddress = new Int32Array(batchMax * 2);
  readonly #iovecAddress = new Int32Array(batchMax * 2);
  /** Message of each reply, in the order in which they were added. */
  readonly #replyOf = new Int32Array(batchMax);
  readonly #nameWords: number;
  readonly #nameBytes: number;
  #replies = 0;
  #trainName = 0;
  #trainReplyBytes = 0;
  #trainBytes = 0;
  #trainEnded = true;

  /** @param nameBytes length of a client's address: one family a socket */
  constructor(replyBytesMax: number, nameBytes: number) {
    const bytes = Math.max(queryBytesMax, replyBytesMax);
    this.roomBytes = bytes;
    this.#stride = (Math.ceil(bytes / cacheLineBytes / 2) * 2 + 1) * cacheLineBytes;
    this.messages = Buffer.alloc(batchMax * this.#stride);
    this.#nameBytes = nameBytes;
    this.#nameWords = nameBytes / 4;
    const place = (of: Buffer, stride: number, places: Int32Array) => {
      const start = addressOf(of);
      const addresses = new BigInt64Array(places.buffer);
      for (let i = 0; i < batchMax; i++) addresses[i] = start + BigInt(i * stride);
      return addresses;
    };
    const messages = place(this.messages, this.#stride, this.#messageAddress);
    const names = place(this.#names, nameStride, this.#nameAddress);
    place(this.#sendIovecs, iovecBytes, this.#iovecAddress);
    const iovecs = addressOf(this.#receiveIovecs);
    const controls = addressOf(this.#controls);
    for (let i = 0; i < batchMax; i++) {
      const receive = i * headerBytes;
      this.receiveHeaders.writeBigInt64LE(names[i] as bigint, receive);
      this.receiveHeaders.writeUInt32LE(socketAddressBytes, receive + 8);
      this.receiveHeaders.writeBigInt64LE(iovecs + BigInt(i * iovecBytes), receive + iovecWord * 4);
      this.receiveHeaders.writeBigInt64LE(1n, receive + iovecCountWord * 4);
      this.#receiveIovecs.writeBigInt64LE(messages[i] as bigint, i * iovecBytes);
      this.#receiveIovecs.writeBigInt64LE(BigInt(queryBytesMax), i * iovecBytes + 8);
      this.sendHeaders.writeUInt32LE(nameBytes, receive + 8);
      this.sendHeaders.writeBigInt64LE(controls + BigInt(i * controlBytes), receive + controlWord * 4);
      this.#controls.writeBigInt64LE(BigInt(controlUsedBytes), i * controlBytes);
      this.#controls.writeInt32LE(solUdp, i * controlBytes + 8);
      this.#controls.writeInt32LE(udpSegment, i * controlBytes + 12);
    }
  }

  messageStart(i: number): number {
    return i * this.#stride;
  }

  /** 0 if the datagram was larger than `queryBytesMax`. */
  queryLength(i: number): number {
    const flags = this.#receive[i * headerWords + flagsWord] as number;
    return (flags & truncatedFlag) === 0 ? (this.#receive[i * headerWords + lengthWord] as number) : 0;
  }

  /** The clients' socket addresses; that of message `i` begins at `nameStart(i)`. */
  get names(): Uint8Array {
    return this.#names;
  }

  nameStart(i: number): number {
    return i * nameStride;
  }

  /** A copy of the client's socket address. */
  client(i: number): Uint8Array {
    return new Uint8Array(this.#names.subarray(i * nameStride, i * nameStride + this.#nameBytes));
  }

  /** Forgets which replies were added. */
  startReplies(): void {
    this.#replies = 0;
    this.trains = 0;
    this.#trainEnded = true;
  }

  /** Message `i` holds a reply of `length` bytes. @param joins whether it may share a train with the reply before it */
  addReply(i: number, length: number, joins: boolean): void {
    const reply = this.#replies++;
    const iovec = reply * iovecWords;
    this.#replyOf[reply] = i;
    this.#sendIovec[iovec] = this.#messageAddress[i * 2] as number;
    this.#sendIovec[iovec + 1] = this.#messageAddress[i * 2 + 1] as number;
    this.#sendIovec[iovec + 2] = length;
    if (joins && this.#joins(i, length)) {
      const train = this.trains - 1;
      const header = train * headerWords;
      this.#send[header + iovecCountWord] = (this.#send[header + iovecCountWord] as number) + 1;
      this.#send[header + controlLengthWord] = controlBytes;
      this.#control[train * controlWords + 4] = this.#trainReplyBytes;
      this.#trainBytes += length;
      this.#trainEnded = length < this.#trainReplyBytes;
      return;
    }
    const header = this.trains * headerWords;
    this.#send[header + nameWord] = this.#nameAddress[i * 2] as number;
    this.#send[header + nameWord + 1] = this.#nameAddress[i * 2 + 1] as number;
    this.#send[header + iovecWord] = this.#iovecAddress[reply * 2] as number;
    this.#send[header + iovecWord + 1] = this.#iovecAddress[reply * 2 + 1] as number;
    this.#send[header + iovecCountWord] = 1;
    this.#send[header + controlLengthWord] = 0;
    this.trains++;
    this.#trainName = i;
    this.#trainReplyBytes = length;
    this.#trainBytes = length;
    this.#trainEnded = false;
  }

  /** Headers of the trains from this one on. */
  headersFrom(train: number): Buffer {
    return train === 0 ? this.sendHeaders : this.sendHeaders.subarray(train * headerBytes);
  }

  /** More than one reply. */
  isLong(train: number): boolean {
    return this.#repliesOf(train) > 1;
  }

  /** What is left from this train on, each reply alone: it is the first train afterwards. */
  uncouple(train: number): void {
    const count = this.#replies;
    let reply = 0;
    for (let i = 0; i < train; i++) reply += this.#repliesOf(i);
    this.startReplies();
    for (; reply < count; reply++) {
      this.addReply(this.#replyOf[reply] as number, this.#sendIovec[reply * iovecWords + 2] as number, false);
    }
  }

  #repliesOf(train: number): number {
    return this.#send[train * headerWords + iovecCountWord] as number;
  }

  #joins(i: number, length: number): boolean {
    if (this.#trainEnded || length > this.#trainReplyBytes || this.#trainBytes + length > trainBytesMax)
      return false;
    const from = (i * nameStride) / 4;
    const first = (this.#trainName * nameStride) / 4;
    for (let word = 0; word < this.#nameWords; word++) {
      if (this.#name[from + word] !== this.#name[first + word]) return false;
    }
    return true;
  }
}

function words(bytes: Buffer): Int32Array {
  return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}

/**
 * DNS cookies: a client that shows the cookie that we gave to its address is there, and is no forged address
 * (RFC 7873). The server's part is that of RFC 9018: version 1, three zero bytes, the time in seconds, and
 * SipHash-2-4 over the client's part, those eight bytes and the client's address. So no state is kept, any server
 * with the same secret understands it, and several secrets allow a change of them.
 *
 * Both paths of a UDP query use this code, so they cannot disagree; it works in place and allocates nothing.
 */
import { sipHash } from "./siphash.ts";

export const clientCookieBytes = 8;
const serverCookieBytes = 16;
/** What we answer: the client's part and ours. */
export const cookieBytes = clientCookieBytes + serverCookieBytes;
/** RFC 7873 section 4: the server's part, if it is there, has 8 to 32 bytes. */
const foreignBytesMin = 16;
const foreignBytesMax = 40;

/** RFC 9018 section 4.3: older is not believed; half as old is believed and answered by a new one. */
const believedSeconds = 3600;
const renewedAfterSeconds = 1800;
const futureSeconds = 300;

export interface CookiePolicy {
  /** 16 bytes each; the first makes cookies, all are believed. */
  readonly secrets: readonly Uint8Array[];
  /** A query over UDP with a cookie option, but none that we made, gets BADCOOKIE instead of an answer. */
  readonly required: boolean;
}

/** Who asks: bytes of the address, and when. Changed in place by its owner. */
export class ClientView {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  /** 4 or 16. */
  length = 0;
  nowSeconds = 0;
}

/** What the server's part of a cookie is worth. */
export type CookieState = "none" | "malformed" | "unknown" | "valid";

/** RFC 7873 section 5.2.2: another length is a FORMERR. */
export function isCookieLength(length: number): boolean {
  return length === clientCookieBytes || (length >= foreignBytesMin && length <= foreignBytesMax);
}

export class CookieJar {
  readonly required: boolean;
  readonly #secrets: readonly Uint8Array[];
  /** The client's part, version and time, the address. */
  readonly #input = new Uint8Array(32);
  readonly #hash = new Uint8Array(8);

  constructor(policy: CookiePolicy) {
    this.required = policy.required;
    this.#secrets = policy.secrets;
  }

  /** True if we made the cookie for this client and it is not too old. */
  isValid(bytes: Uint8Array, at: number, length: number, client: ClientView): boolean {
    if (length !== cookieBytes || bytes[at + 8] !== 1) return false;
    const age = (client.nowSeconds - timeOf(bytes, at)) | 0;
    if (age > believedSeconds || age < -futureSeconds) return false;
    const inputBytes = this.#fillInput(bytes, at, client);
    for (let i = 8; i < 16; i++) this.#input[i] = bytes[at + i] as number;
    for (const secret of this.#secrets) {
      sipHash(secret, this.#input, inputBytes, this.#hash, 0);
      let difference = 0;
      for (let i = 0; i < 8; i++) difference |= (this.#hash[i] as number) ^ (bytes[at + 16 + i] as number);
      if (difference === 0) return true;
    }
    return false;
  }

  /**
   * Writes what the client gets: its own part, and the part that it showed if that is valid and young, else a new
   * one. `out` may be `bytes`. @param valid what `isValid` said
   */
  write(
    bytes: Uint8Array,
    at: number,
    valid: boolean,
    client: ClientView,
    out: Uint8Array,
    outAt: number,
  ): void {
    if (valid && ((client.nowSeconds - timeOf(bytes, at)) | 0) < renewedAfterSeconds) {
      for (let i = 0; i < cookieBytes; i++) out[outAt + i] = bytes[at + i] as number;
      return;
    }
    const input = this.#input;
    const inputBytes = this.#fillInput(bytes, at, client);
    input[8] = 1;
    input[9] = 0;
    input[10] = 0;
    input[11] = 0;
    for (let i = 0; i < 4; i++) input[12 + i] = client.nowSeconds >>> (24 - 8 * i);
    for (let i = 0; i < 16; i++) out[outAt + i] = input[i] as number;
    sipHash(this.#secrets[0] as Uint8Array, input, inputBytes, out, outAt + 16);
  }

  /** All but version and time. Answers how many bytes are to be hashed. */
  #fillInput(bytes: Uint8Array, at: number, client: ClientView): number {
    for (let i = 0; i < clientCookieBytes; i++) this.#input[i] = bytes[at + i] as number;
    for (let i = 0; i < client.length; i++) this.#input[16 + i] = client.bytes[client.at + i] as number;
    return 16 + client.length;
  }
}

function timeOf(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at + 12] as number) << 24) |
    ((bytes[at + 13] as number) << 16) |
    ((bytes[at + 14] as number) << 8) |
    (bytes[at + 15] as number)
  );
}

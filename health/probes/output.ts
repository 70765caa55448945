/**
 * The text that a probe leaves behind, never longer than asked for. Probes may send anything without end, so
 * the tail is cut while it arrives; a character cut in half at the seam is dropped.
 */
export class OutputTail {
  readonly #maxBytes: number;
  #bytes = Buffer.alloc(0);
  #dropped = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  push(chunk: Buffer): void {
    const joined = Buffer.concat([this.#bytes, chunk]);
    const excess = Math.max(0, joined.length - this.#maxBytes);
    this.#dropped += excess;
    this.#bytes = joined.subarray(excess);
  }

  text(): string {
    return this.#dropped === 0 ? this.#bytes.toString("utf8") : dropPartialCharacter(this.#bytes);
  }
}

/** The longest beginning of `text` that fits into `maxBytes` of UTF-8. */
export function clipText(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const bytes = Buffer.from(text);
  let end = maxBytes;
  while (end > 0 && isContinuation(bytes[end])) end -= 1;
  return bytes.toString("utf8", 0, end);
}

function dropPartialCharacter(bytes: Buffer): string {
  let start = 0;
  while (start < bytes.length && isContinuation(bytes[start])) start += 1;
  return bytes.toString("utf8", start);
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

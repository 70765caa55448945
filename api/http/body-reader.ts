/**
 * Where the body of a request ends, by its length or by chunks. Fed with the bytes of a connection as they come, in
 * pieces of any size; holds nothing but the line of a chunk that has not ended.
 *
 * Source: RFC 9112 sections 6.2 and 7.1. Extensions of chunks are read over; quoted ones are refused, as readers
 * differ in them.
 */
import { type Framing, isHeaderLine } from "./request-head.ts";

export interface BodyReader {
  readonly state: "open" | "whole" | "malformed";
  /** Hands on what is content; answers how many of the bytes were of the body. */
  read(bytes: Buffer, content: (part: Buffer) => void): number;
}

export function bodyReader(framing: Exclude<Framing, { kind: "none" }>, trailerBytesMax: number): BodyReader {
  return framing.kind === "length" ? new LengthReader(framing.bytes) : new ChunkReader(trailerBytesMax);
}

class LengthReader implements BodyReader {
  state: BodyReader["state"] = "open";
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  read(bytes: Buffer, content: (part: Buffer) => void): number {
    const part = bytes.subarray(0, this.#left);
    this.#left -= part.length;
    if (this.#left === 0) this.state = "whole";
    content(part);
    return part.length;
  }
}

const lineCharsMax = 256;
const sizeLine = /^([\da-f]{1,8})(?:;[;=!#$%&'*+\-.^_`|~\w]*)?$/i;

class ChunkReader implements BodyReader {
  state: BodyReader["state"] = "open";
  readonly #trailerBytesMax: number;
  #expects: "size" | "content" | "end" | "trailer" = "size";
  #line = "";
  #left = 0;
  #trailerBytes = 0;

  constructor(trailerBytesMax: number) {
    this.#trailerBytesMax = trailerBytesMax;
  }

  read(bytes: Buffer, content: (part: Buffer) => void): number {
    let at = 0;
    while (at < bytes.length && this.state === "open")
      at +=
        this.#expects === "content"
          ? this.#readContent(bytes.subarray(at), content)
          : this.#readLine(bytes.subarray(at));
    return at;
  }

  #readContent(bytes: Buffer, content: (part: Buffer) => void): number {
    const part = bytes.subarray(0, this.#left);
    this.#left -= part.length;
    if (this.#left === 0) this.#expects = "end";
    content(part);
    return part.length;
  }

  #readLine(bytes: Buffer): number {
    const feed = bytes.indexOf("\n");
    const end = feed < 0 ? bytes.length : feed + 1;
    this.#line += bytes.toString("latin1", 0, end);
    const lineMax = this.#expects === "trailer" ? this.#trailerBytesMax : lineCharsMax;
    if (this.#line.length > lineMax) this.state = "malformed";
    else if (feed >= 0) {
      const line = this.#line;
      this.#line = "";
      if (!line.endsWith("\r\n") || !this.#take(line.slice(0, -2))) this.state = "malformed";
    }
    return end;
  }

  /** False when this cannot stand here. */
  #take(line: string): boolean {
    switch (this.#expects) {
      case "size": {
        const digits = sizeLine.exec(line)?.[1];
        if (digits === undefined) return false;
        this.#left = Number.parseInt(digits, 16);
        this.#expects = this.#left === 0 ? "trailer" : "content";
        return true;
      }
      case "end":
        this.#expects = "size";
        return line === "";
      case "trailer":
        if (line === "") this.state = "whole";
        this.#trailerBytes += line.length;
        return line === "" || (isHeaderLine(line) && this.#trailerBytes <= this.#trailerBytesMax);
      case "content":
        return false;
      default:
        return this.#expects satisfies never;
    }
  }
}

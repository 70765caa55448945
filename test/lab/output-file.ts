/**
 * What a program in the background says, kept in a file without a name and not in a pipe: it must never wait for its
 * reader, which often sleeps in a `spawnSync` that itself waits for that program. A pipe of Node's is a socket, and
 * full after some hundred lines.
 */
import { closeSync, openSync, readSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";

/** Characters of the end that are kept in memory. */
const keptMax = 1024 * 1024;
let fileCount = 0;

export class OutputFile {
  /** For the program: appends. */
  readonly fd: number;
  readonly #decoder = new StringDecoder("utf8");
  readonly #chunk = Buffer.alloc(64 * 1024);
  #position = 0;
  #kept = "";
  #open = true;

  constructor() {
    const path = join(tmpdir(), `heddle-output-${process.pid}-${fileCount++}`);
    this.fd = openSync(path, "ax+", 0o600);
    unlinkSync(path);
  }

  /** What was said until now, its end if it is much. */
  get text(): string {
    while (this.#open) {
      const length = readSync(this.fd, this.#chunk, 0, this.#chunk.length, this.#position);
      if (length === 0) break;
      this.#position += length;
      this.add(this.#decoder.write(this.#chunk.subarray(0, length)));
    }
    return this.#kept;
  }

  add(text: string): void {
    this.#kept = (this.#kept + text).slice(-keptMax);
  }

  /** The program has ended: `text` stays as it is. */
  close(): void {
    if (!this.#open) return;
    void this.text;
    this.#open = false;
    closeSync(this.fd);
  }
}

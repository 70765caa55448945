/**
 * The output of a program that the engine runs in a container, without a terminal: both outputs in frames of one
 * byte of stream, three of padding and four of length (docs.docker.com/reference/api/engine, "attach").
 * Pure: bytes in any pieces go in, what the program wrote comes out.
 */

const headBytes = 8;

export class OutputFrames {
  readonly #onOutput: (bytes: Buffer) => void;
  #head = Buffer.alloc(0);
  #left = 0;

  constructor(onOutput: (bytes: Buffer) => void) {
    this.#onOutput = onOutput;
  }

  push(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#left > 0) {
        const part = rest.subarray(0, this.#left);
        this.#left -= part.length;
        rest = rest.subarray(part.length);
        this.#onOutput(part);
        continue;
      }
      const missing = headBytes - this.#head.length;
      this.#head = Buffer.concat([this.#head, rest.subarray(0, missing)]);
      rest = rest.subarray(missing);
      if (this.#head.length < headBytes) continue;
      this.#left = this.#head.readUInt32BE(4);
      this.#head = Buffer.alloc(0);
    }
  }
}

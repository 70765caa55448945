/**
 * What happened, one line an event: the last lines to read, and a digest of all of them, by which two runs of a
 * seed are known to be the same. FNV-1a over UTF-16 code units.
 */
const linesMax = 60;

export class Trace {
  readonly #lines: string[] = [];
  #digest = 0x811c9dc5;
  #length = 0;

  add(line: string): void {
    this.#length++;
    for (let i = 0; i < line.length; i++) {
      this.#digest = Math.imul(this.#digest ^ line.charCodeAt(i), 0x01000193);
    }
    this.#lines.push(line);
    if (this.#lines.length > 2 * linesMax) this.#lines.splice(0, linesMax);
  }

  /** Of all that happened. */
  get length(): number {
    return this.#length;
  }

  get digest(): string {
    return (this.#digest >>> 0).toString(16).padStart(8, "0");
  }

  get lines(): readonly string[] {
    return this.#lines.slice(-linesMax);
  }
}

/**
 * A sorted set of strings for prefix and range reads. Keys stand in chunks of at most 512, so that an insertion
 * moves a chunk and not the whole set: adding to 100,000 keys costs two binary searches and one short move.
 * Order is that of JavaScript strings (UTF-16 code units); all keys of a prefix are neighbours in it.
 */

const chunkMax = 512;

export class OrderedKeys {
  /** Invariant: no chunk is empty, and each chunk's last key is below the next one's first. */
  readonly #chunks: string[][] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** False when the key is there already. */
  add(key: string): boolean {
    const at = Math.min(this.#chunkFor(key), this.#chunks.length - 1);
    const chunk = this.#chunks[at];
    if (!chunk) {
      this.#chunks.push([key]);
      this.#size = 1;
      return true;
    }
    const position = lowerBound(chunk, key);
    if (chunk[position] === key) return false;
    chunk.splice(position, 0, key);
    this.#size++;
    if (chunk.length > chunkMax)
      this.#chunks.splice(at + 1, 0, chunk.splice(splitAt(position, chunk.length)));
    return true;
  }

  delete(key: string): boolean {
    const at = this.#chunkFor(key);
    const chunk = this.#chunks[at];
    if (!chunk) return false;
    const position = lowerBound(chunk, key);
    if (chunk[position] !== key) return false;
    chunk.splice(position, 1);
    this.#size--;
    if (chunk.length === 0) this.#chunks.splice(at, 1);
    return true;
  }

  /** The least key ≥ `from`. */
  first(from: string): string | undefined {
    const chunk = this.#chunks[this.#chunkFor(from)];
    return chunk?.[lowerBound(chunk, from)];
  }

  /** Keys that begin with `prefix`, in order. The set must not change meanwhile. */
  *withPrefix(prefix: string): Generator<string> {
    let at = this.#chunkFor(prefix);
    let chunk = this.#chunks[at];
    let position = chunk ? lowerBound(chunk, prefix) : 0;
    while (chunk) {
      for (; position < chunk.length; position++) {
        const key = chunk[position] as string;
        if (!key.startsWith(prefix)) return;
        yield key;
      }
      chunk = this.#chunks[++at];
      position = 0;
    }
  }

  /** Index of the first chunk whose last key is ≥ `key`; the number of chunks when there is none. */
  #chunkFor(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const last = this.#chunks[middle]?.at(-1) as string;
      if (last < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The least string above every string that begins with `prefix`; undefined when there is none. */
export function prefixEnd(prefix: string): string | undefined {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const unit = prefix.charCodeAt(i);
    if (unit < 0xffff) return prefix.slice(0, i) + String.fromCharCode(unit + 1);
  }
  return undefined;
}

/** Keys that come in order (a first load does) leave full chunks behind, others halves. */
function splitAt(position: number, length: number): number {
  return position === length - 1 ? length - 1 : length >>> 1;
}

function lowerBound(chunk: readonly string[], key: string): number {
  let low = 0;
  let high = chunk.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((chunk[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

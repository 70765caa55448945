/** Bytes made wrong in the ways in which bytes go wrong, the same ones for the same seed. */

/** Numbers from 0 up to, not including, `below`. */
export type Random = (below: number) => number;

/** Mulberry32: small, and good enough to choose what to break. */
export function seeded(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export function pick<T>(random: Random, items: readonly [T, ...T[]]): T {
  return items[random(items.length)] ?? items[0];
}

type Mutation = (
  bytes: Buffer,
  random: Random,
  others: readonly Buffer[],
  words: readonly string[],
) => Buffer;

function splice(bytes: Buffer, from: number, to: number, inserted: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, from), inserted, bytes.subarray(Math.max(from, to))]);
}

const mutations: readonly [Mutation, ...Mutation[]] = [
  (bytes, random) => {
    const changed = Buffer.from(bytes);
    const at = random(changed.length);
    changed[at] = (changed[at] ?? 0) ^ (1 << random(8));
    return changed;
  },
  (bytes, random) => splice(bytes, random(bytes.length), 0, Buffer.from([random(256)])),
  (bytes, random) => bytes.subarray(0, random(bytes.length)),
  (bytes, random) => {
    const at = random(bytes.length);
    return splice(bytes, at, at + random(16), Buffer.alloc(0));
  },
  (bytes, random) => {
    const at = random(bytes.length);
    return splice(bytes, at, at, bytes.subarray(at, at + random(64)));
  },
  (bytes, random) => splice(bytes, random(bytes.length), 0, Buffer.alloc(random(4096), random(256))),
  (bytes, random, others) => {
    const other = others[random(others.length)] ?? bytes;
    return Buffer.concat([bytes.subarray(0, random(bytes.length)), other.subarray(random(other.length))]);
  },
  (bytes, random, _, words) => {
    const word = Buffer.from(words[random(words.length)] ?? "", "latin1");
    const at = random(bytes.length);
    return splice(bytes, at, at + random(word.length + 1), word);
  },
];

/** One mutation, seldom two or three. `others` are spliced in, `words` are those that parsers of this kind stumble over. */
export function mutate(
  bytes: Buffer,
  random: Random,
  others: readonly Buffer[],
  words: readonly string[],
): Buffer {
  let mutated = bytes;
  for (let left = Math.max(1, random(6) - 2); left > 0; left--)
    mutated = pick(random, mutations)(mutated, random, others, words);
  return mutated;
}

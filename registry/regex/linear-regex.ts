/**
 * Regular expressions in time linear in the text, for patterns of strangers: JavaScript's own engine tries ways
 * back, and a short pattern can stop the process for hours.
 *
 * A program is run for all ways at once, the better ways first, each with what its groups have matched (Pike's
 * machine: Cox, "Regular Expression Matching: the Virtual Machine Approach"). What is found is what RE2 and Perl
 * find: the leftmost match, and of those the one that comes first. Cost: text length × `regexStepsMax`, at worst.
 */
import { compilePattern, type Program } from "./pattern.ts";

interface Way {
  readonly place: number;
  /** Start and end of each group, the whole match first. */
  readonly slots: readonly (number | undefined)[];
}

export class LinearRegex {
  readonly #program: Program;

  /** @throws REGISTRY_INVALID */
  constructor(pattern: string) {
    this.#program = compilePattern(pattern);
  }

  /** Whether the pattern is found anywhere in the text. */
  test(text: string): boolean {
    return this.match(text) !== undefined;
  }

  /** The whole match and its groups, "" for those that took no part; undefined when there is none. */
  match(text: string): readonly string[] | undefined {
    const chars = Array.from(text);
    const slots = this.#run(chars.map((char) => char.codePointAt(0) ?? 0));
    if (!slots) return undefined;
    return Array.from({ length: this.#program.groups + 1 }, (_, group) =>
      chars.slice(slots[2 * group] ?? 0, slots[2 * group + 1] ?? 0).join(""),
    );
  }

  #run(codes: readonly number[]): Way["slots"] | undefined {
    const { code } = this.#program;
    let best: Way["slots"] | undefined;
    let ways: Way[] = [];
    let seen = new Set<number>();
    for (let at = 0; at <= codes.length; at++) {
      const isEnd = at === codes.length;
      if (!best) this.#add(ways, seen, { place: 0, slots: [at] }, at, isEnd);
      const [next, nextSeen]: [Way[], Set<number>] = [[], new Set()];
      for (const { place, slots } of ways) {
        const instruction = code[place];
        if (instruction?.op === "match") {
          best = withSlot(slots, 1, at);
          break;
        }
        const char = codes[at];
        if (instruction?.op === "char" && char !== undefined && instruction.test(char))
          this.#add(next, nextSeen, { place: place + 1, slots }, at + 1, at + 1 === codes.length);
      }
      if (next.length === 0 && best) break;
      [ways, seen] = [next, nextSeen];
    }
    return best;
  }

  /** With all places that are reached without a character, the better ways first. */
  #add(ways: Way[], seen: Set<number>, first: Way, at: number, isEnd: boolean): void {
    const open = [first];
    for (let way = open.pop(); way !== undefined; way = open.pop()) {
      const { place, slots } = way;
      if (seen.has(place)) continue;
      seen.add(place);
      const instruction = this.#program.code[place];
      switch (instruction?.op) {
        case "split":
          for (const to of instruction.to.toReversed()) open.push({ place: place + to, slots });
          break;
        case "save":
          open.push({ place: place + 1, slots: withSlot(slots, instruction.slot, at) });
          break;
        case "start":
        case "end":
          if (instruction.op === "start" ? at === 0 : isEnd) open.push({ place: place + 1, slots });
          break;
        case "char":
        case "match":
          ways.push(way);
          break;
        case undefined:
          break;
        default:
          instruction satisfies never;
      }
    }
  }
}

function withSlot(slots: Way["slots"], slot: number, at: number): Way["slots"] {
  const copy = [...slots];
  copy[slot] = at;
  return copy;
}

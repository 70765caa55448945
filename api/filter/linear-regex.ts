/**
 * Regular expressions in time linear in the text, for patterns of strangers: JavaScript's own engine tries ways
 * back, and a short pattern can stop the process for hours. The syntax is the common part of RE2: characters,
 * `.`, classes, `\d \w \s` and their opposites, groups, `|`, `* + ? {m,n}`, `^`, `$`, and `(?i)` in front.
 *
 * A pattern becomes a list of instructions, run for all ways at once (Thompson 1968; Cox, "Regular Expression
 * Matching: the Virtual Machine Approach"). Cost: text length × `regexStepsMax`, at worst.
 */
import { invalidFilter } from "./expression.ts";

export const regexStepsMax = 500;
const groupDepthMax = 64;

type Instruction =
  | { readonly op: "char"; readonly test: (code: number) => boolean }
  | { readonly op: "split"; readonly to: readonly number[] }
  | { readonly op: "start" | "end" | "match" };

/** Instructions with targets relative to their own place, so that they can be put anywhere. */
type Code = readonly Instruction[];

export class LinearRegex {
  readonly #code: Code;

  /** @throws API_BAD_REQUEST */
  constructor(pattern: string) {
    this.#code = [...new PatternParser(pattern).whole(), { op: "match" }];
  }

  /** Whether the pattern is found anywhere in the text. */
  test(text: string): boolean {
    const codes = Array.from(text, (char) => char.codePointAt(0) ?? 0);
    let ways = new Set<number>();
    for (let at = 0; at <= codes.length; at++) {
      this.#add(ways, 0, at === 0, at === codes.length);
      const next = new Set<number>();
      for (const place of ways) {
        const instruction = this.#code[place];
        if (instruction?.op === "match") return true;
        const code = codes[at];
        if (instruction?.op === "char" && code !== undefined && instruction.test(code))
          this.#add(next, place + 1, false, at + 1 === codes.length);
      }
      ways = next;
    }
    return false;
  }

  /** With all places that are reached without a character. */
  #add(ways: Set<number>, first: number, isStart: boolean, isEnd: boolean): void {
    const open = [first];
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      if (ways.has(place)) continue;
      ways.add(place);
      const instruction = this.#code[place];
      if (instruction?.op === "split") for (const to of instruction.to) open.push(place + to);
      else if ((instruction?.op === "start" && isStart) || (instruction?.op === "end" && isEnd))
        open.push(place + 1);
    }
  }
}

class PatternParser {
  readonly #chars: readonly string[];
  readonly #ignoreCase: boolean;
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#ignoreCase = pattern.startsWith("(?i)");
    this.#chars = Array.from(this.#ignoreCase ? pattern.slice(4) : pattern);
  }

  whole(): Code {
    const code = this.#alternatives();
    if (this.#at < this.#chars.length) throw this.#invalid("unexpected )");
    return code;
  }

  #alternatives(): Code {
    let code = this.#sequence();
    while (this.#take("|")) {
      const right = this.#sequence();
      code = bounded([
        { op: "split", to: [1, code.length + 2] },
        ...code,
        { op: "split", to: [right.length + 1] },
        ...right,
      ]);
    }
    return code;
  }

  #sequence(): Code {
    const parts: Instruction[] = [];
    while (this.#at < this.#chars.length && this.#peek() !== "|" && this.#peek() !== ")")
      parts.push(...this.#repeated());
    return bounded(parts);
  }

  #repeated(): Code {
    let code = this.#atom();
    for (;;) {
      const bounds = this.#bounds();
      if (!bounds) return code;
      this.#take("?");
      code = repeat(code, bounds.min, bounds.max);
    }
  }

  #bounds(): { readonly min: number; readonly max: number | undefined } | undefined {
    if (this.#take("*")) return { min: 0, max: undefined };
    if (this.#take("+")) return { min: 1, max: undefined };
    if (this.#take("?")) return { min: 0, max: 1 };
    const counted = /^\{(\d{1,4})(,(\d{1,4})?)?\}/.exec(this.#chars.slice(this.#at, this.#at + 12).join(""));
    if (!counted) return undefined;
    this.#at += counted[0].length;
    const min = Number(counted[1]);
    const max = counted[2] === undefined ? min : counted[3] === undefined ? undefined : Number(counted[3]);
    if (max !== undefined && max < min) throw this.#invalid("a repetition's bounds are the wrong way round");
    return { min, max };
  }

  #atom(): Code {
    const char = this.#next();
    switch (char) {
      case "(":
        return this.#group();
      case "[":
        return [{ op: "char", test: this.#class() }];
      case ".":
        return [{ op: "char", test: (code) => code !== 10 }];
      case "^":
        return [{ op: "start" }];
      case "$":
        return [{ op: "end" }];
      case "*":
      case "+":
      case "?":
        throw this.#invalid(`nothing to repeat before ${char}`);
      case "\\":
        return [{ op: "char", test: this.#escape() }];
      default:
        return [{ op: "char", test: this.#literal(char) }];
    }
  }

  #group(): Code {
    if (this.#take("?") && !this.#take(":"))
      throw this.#invalid("of (?…) only (?:…), and (?i) in front, are there");
    if (++this.#depth > groupDepthMax) throw this.#invalid("groups are nested too deep");
    const code = this.#alternatives();
    this.#depth--;
    if (!this.#take(")")) throw this.#invalid("a group is not closed");
    return code;
  }

  #escape(): (code: number) => boolean {
    const letter = this.#next();
    const named = namedClasses[letter.toLowerCase()];
    if (named) return letter === letter.toLowerCase() ? named : (code) => !named(code);
    const control = { n: "\n", r: "\r", t: "\t" }[letter];
    if (control === undefined && /[A-Za-z0-9]/.test(letter))
      throw this.#invalid(`\\${letter} is not known here`);
    return this.#literal(control ?? letter);
  }

  #class(): (code: number) => boolean {
    const isNegated = this.#take("^");
    const tests: ((code: number) => boolean)[] = [];
    for (let isFirst = true; isFirst || this.#peek() !== "]"; isFirst = false) {
      const char = this.#next();
      if (char === "\\" && namedClasses[(this.#peek() ?? "").toLowerCase()]) tests.push(this.#escape());
      else tests.push(this.#range(char === "\\" ? this.#escapedChar() : char));
    }
    this.#at++;
    return (code) => tests.some((test) => test(code)) !== isNegated;
  }

  #range(from: string): (code: number) => boolean {
    const isRange = this.#peek() === "-" && this.#chars[this.#at + 1] !== "]";
    if (!isRange) return this.#literal(from);
    this.#at++;
    const last = this.#next();
    const [low, high] = [codeOf(from), codeOf(last === "\\" ? this.#escapedChar() : last)];
    if (low > high) throw this.#invalid("a range is the wrong way round");
    const holds = (code: number) => code >= low && code <= high;
    return this.#ignoreCase ? (code) => caseForms(code).some(holds) : holds;
  }

  #escapedChar(): string {
    const letter = this.#next();
    return { n: "\n", r: "\r", t: "\t" }[letter] ?? letter;
  }

  #literal(char: string): (code: number) => boolean {
    const wanted = codeOf(char);
    return this.#ignoreCase ? (code) => caseForms(code).includes(wanted) : (code) => code === wanted;
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }

  #next(): string {
    const char = this.#chars[this.#at++];
    if (char === undefined) throw this.#invalid("it ends too early");
    return char;
  }

  #take(char: string): boolean {
    const isIt = this.#peek() === char;
    if (isIt) this.#at++;
    return isIt;
  }

  #invalid(why: string): Error {
    return invalidFilter(`error parsing regexp: ${why}`);
  }
}

const namedClasses: Readonly<Record<string, (code: number) => boolean>> = {
  d: (code) => code >= 48 && code <= 57,
  w: (code) => /^\w$/.test(String.fromCodePoint(code)),
  s: (code) => [9, 10, 11, 12, 13, 32].includes(code),
};

function repeat(code: Code, min: number, max: number | undefined): Code {
  if (code.length * Math.max(min, max ?? 0) > regexStepsMax) throw tooLarge();
  const parts: Instruction[] = [];
  for (let times = 0; times < min; times++) parts.push(...code);
  if (max === undefined)
    parts.push({ op: "split", to: [1, code.length + 2] }, ...code, { op: "split", to: [-code.length - 1] });
  else
    for (let left = max - min; left > 0; left--)
      parts.push({ op: "split", to: [1, left * (code.length + 1)] }, ...code);
  return bounded(parts);
}

function bounded(code: Code): Code {
  if (code.length > regexStepsMax) throw tooLarge();
  return code;
}

function tooLarge(): Error {
  return invalidFilter(`error parsing regexp: it needs more than ${regexStepsMax} steps`);
}

function codeOf(char: string): number {
  return char.codePointAt(0) ?? 0;
}

function caseForms(code: number): readonly number[] {
  const char = String.fromCodePoint(code);
  return [code, codeOf(char.toLowerCase()), codeOf(char.toUpperCase())];
}

/**
 * Regular expressions as programs for linear-regex.ts. The syntax is the common part of RE2: characters, `.`,
 * classes, `\d \w \s` and their opposites, groups, `|`, `* + ? {m,n}` and their lazy forms, `^`, `$`, and `(?i)`
 * in front. A program has a bounded length, so that a pattern of a stranger costs a bounded time a character.
 */
import { FabricError } from "../../errors/index.ts";

export const regexStepsMax = 500;
const groupDepthMax = 64;

/** Targets are relative to the instruction's own place, so that code can be put anywhere. */
export type Instruction =
  | { readonly op: "char"; readonly test: (code: number) => boolean }
  /** The first way is the better one. */
  | { readonly op: "split"; readonly to: readonly number[] }
  /** The place in the text, in the odd or even slot of a group. */
  | { readonly op: "save"; readonly slot: number }
  | { readonly op: "start" | "end" | "match" };

export type Code = readonly Instruction[];

export interface Program {
  readonly code: Code;
  /** Capturing groups, the whole match not counted. */
  readonly groups: number;
}

/** @throws REGISTRY_INVALID */
export function compilePattern(pattern: string): Program {
  const parser = new PatternParser(pattern);
  const code = parser.whole();
  return { code: [...code, { op: "match" }], groups: parser.groups };
}

class PatternParser {
  readonly #chars: readonly string[];
  readonly #ignoreCase: boolean;
  #at = 0;
  #depth = 0;
  #groups = 0;

  constructor(pattern: string) {
    this.#ignoreCase = pattern.startsWith("(?i)");
    this.#chars = Array.from(this.#ignoreCase ? pattern.slice(4) : pattern);
  }

  get groups(): number {
    return this.#groups;
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
      code = repeat(code, bounds.min, bounds.max, this.#take("?"));
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
    const isPlain = this.#take("?");
    if (isPlain && !this.#take(":")) throw this.#invalid("of (?…) only (?:…), and (?i) in front, are there");
    if (++this.#depth > groupDepthMax) throw this.#invalid("groups are nested too deep");
    const number = isPlain ? 0 : ++this.#groups;
    const code = this.#alternatives();
    this.#depth--;
    if (!this.#take(")")) throw this.#invalid("a group is not closed");
    if (isPlain) return code;
    return bounded([{ op: "save", slot: 2 * number }, ...code, { op: "save", slot: 2 * number + 1 }]);
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
    return invalidPattern(why);
  }
}

const namedClasses: Readonly<Record<string, (code: number) => boolean>> = {
  d: (code) => code >= 48 && code <= 57,
  w: (code) => /^\w$/.test(String.fromCodePoint(code)),
  s: (code) => [9, 10, 11, 12, 13, 32].includes(code),
};

/** A lazy repetition prefers to leave. */
function repeat(code: Code, min: number, max: number | undefined, lazy: boolean): Code {
  if (code.length * Math.max(min, max ?? 0) > regexStepsMax) throw tooLarge();
  const split = (enter: number, leave: number): Instruction => ({
    op: "split",
    to: lazy ? [leave, enter] : [enter, leave],
  });
  const parts: Instruction[] = [];
  for (let times = 0; times < min; times++) parts.push(...code);
  if (max === undefined)
    parts.push(split(1, code.length + 2), ...code, { op: "split", to: [-code.length - 1] });
  else for (let left = max - min; left > 0; left--) parts.push(split(1, left * (code.length + 1)), ...code);
  return bounded(parts);
}

function bounded(code: Code): Code {
  if (code.length > regexStepsMax) throw tooLarge();
  return code;
}

function tooLarge(): Error {
  return invalidPattern(`it needs more than ${regexStepsMax} steps`);
}

function invalidPattern(why: string): FabricError {
  return new FabricError("REGISTRY_INVALID", `error parsing regexp: ${why}`);
}

export function codeOf(char: string): number {
  return char.codePointAt(0) ?? 0;
}

function caseForms(code: number): readonly number[] {
  const char = String.fromCodePoint(code);
  return [code, codeOf(char.toLowerCase()), codeOf(char.toUpperCase())];
}

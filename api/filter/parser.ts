/**
 * Consul's filter language: comparisons of selectors and values with `and`, `or`, `not` and parentheses.
 *
 *   or = and { "or" and }; and = not { "and" not }; not = "not" not | "(" or ")" | match
 *   match = selector ("==" | "!=") value | selector "is" ["not"] "empty"
 *         | selector ["not"] ("contains" | "matches") value | value ["not"] "in" selector
 *   selector = name { "." name | "[" text "]" } | JSON pointer in quotes
 */
import {
  type Comparison,
  type Expression,
  filterCharsMax,
  filterDepthMax,
  invalidFilter,
} from "./expression.ts";
import { type Token, tokensOf } from "./lexer.ts";

/** @throws API_BAD_REQUEST */
export function parseFilter(text: string): Expression {
  if (text.length > filterCharsMax) throw invalidFilter(`it is longer than ${filterCharsMax} characters`);
  const parser = new Parser(tokensOf(text));
  return parser.whole();
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Expression {
    const expression = this.#or();
    if (this.#peek().kind !== "end") throw this.#unexpected();
    return expression;
  }

  #or(): Expression {
    let left = this.#and();
    while (this.#takeWord("or")) left = { kind: "or", left, right: this.#and() };
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.#takeWord("and")) left = { kind: "and", left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    if (++this.#depth > filterDepthMax) throw invalidFilter(`it is nested deeper than ${filterDepthMax}`);
    const expression = this.#operand();
    this.#depth--;
    return expression;
  }

  #operand(): Expression {
    if (this.#takeWord("not")) return { kind: "not", operand: this.#not() };
    if (!this.#takeSymbol("(")) return this.#match();
    const inner = this.#or();
    if (!this.#takeSymbol(")")) throw this.#unexpected();
    return inner;
  }

  #match(): Expression {
    const first = this.#operandText();
    if (this.#takeSymbol("==")) return match(first.selector, "==", false, this.#operandText().value);
    if (this.#takeSymbol("!=")) return match(first.selector, "==", true, this.#operandText().value);
    if (this.#takeWord("is")) {
      const isNegated = this.#takeWord("not");
      if (!this.#takeWord("empty")) throw this.#unexpected();
      return match(first.selector, "empty", isNegated, "");
    }
    const isNegated = this.#takeWord("not");
    if (this.#takeWord("in")) return match(this.#operandText().selector, "in", isNegated, first.value);
    if (this.#takeWord("contains")) return match(first.selector, "in", isNegated, this.#operandText().value);
    if (this.#takeWord("matches"))
      return match(first.selector, "matches", isNegated, this.#operandText().value);
    throw this.#unexpected();
  }

  /** Both readings of an operand: which one counts is known only behind it. */
  #operandText(): { readonly selector: readonly string[] | undefined; readonly value: string } {
    const token = this.#take();
    if (token.kind === "text")
      return { selector: token.text.startsWith("/") ? pointer(token.text) : undefined, value: token.text };
    if (token.kind !== "word") throw this.#unexpected(token);
    const selector = [token.text];
    let value = token.text;
    for (;;) {
      if (this.#takeSymbol(".")) {
        const name = this.#take();
        if (name.kind !== "word") throw this.#unexpected(name);
        selector.push(name.text);
        value += `.${name.text}`;
      } else if (this.#takeSymbol("[")) {
        const name = this.#take();
        if (name.kind !== "text" || !this.#takeSymbol("]")) throw this.#unexpected(name);
        selector.push(name.text);
      } else return { selector: /^[A-Za-z_]/.test(token.text) ? selector : undefined, value };
    }
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? { kind: "end", text: "", at: 0 };
  }

  #take(): Token {
    const token = this.#peek();
    this.#next++;
    return token;
  }

  #takeWord(text: string): boolean {
    return this.#takeIf("word", text);
  }

  #takeSymbol(text: string): boolean {
    return this.#takeIf("symbol", text);
  }

  #takeIf(kind: Token["kind"], text: string): boolean {
    const token = this.#peek();
    const isIt = token.kind === kind && token.text === text;
    if (isIt) this.#next++;
    return isIt;
  }

  #unexpected(token = this.#peek()): Error {
    const what = token.kind === "end" ? "the end" : JSON.stringify(token.text);
    return invalidFilter(`1:${token.at + 1}: no match found, unexpected ${what}`);
  }
}

function match(
  selector: readonly string[] | undefined,
  comparison: Comparison,
  isNegated: boolean,
  value: string,
): Expression {
  if (!selector) throw invalidFilter("a value stands where a selector belongs");
  return { kind: "match", selector, comparison, isNegated, value };
}

/** RFC 6901. */
function pointer(text: string): string[] {
  return text
    .slice(1)
    .split("/")
    .map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"));
}

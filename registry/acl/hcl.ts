/**
 * The part of HCL (version 1) that rules are written in: `name "label" { … }`, `name = "value"`, comments. Both HCL and
 * JSON become the same list of entries; what they mean is not known here.
 *
 * Cost: one pass, no regular expression that could go back. Nesting is bounded, as texts come from outside.
 * Source: https://github.com/hashicorp/hcl/tree/hcl1 (README, "Syntax").
 */
import { FabricError } from "../../errors/index.ts";

/** `value` is text, or what stands in braces. */
export interface Entry {
  readonly name: string;
  readonly value: string | readonly Entry[];
}

export const rulesDepthMax = 8;

type Token =
  | { readonly kind: "word" | "text"; readonly text: string; readonly line: number }
  | { readonly kind: "{" | "}" | "=" | "," | "end"; readonly line: number };

/** @throws REGISTRY_INVALID */
export function parseEntries(text: string): readonly Entry[] {
  if (text.trimStart().startsWith("{")) return ofJson(parseJson(text), 0);
  return new Parser(tokensOf(text)).body("end", 0);
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  body(closing: "}" | "end", depth: number): Entry[] {
    const entries: Entry[] = [];
    for (;;) {
      const token = this.#next();
      if (token.kind === closing) return entries;
      if (token.kind === ",") continue;
      if (token.kind !== "word" && token.kind !== "text") throw unexpected(token);
      entries.push({ name: token.text, value: this.#value(depth) });
    }
  }

  /** Behind a name: `= "text"`, `{ … }`, or a label and what it is of. */
  #value(depth: number): Entry["value"] {
    if (depth >= rulesDepthMax) throw tooDeep();
    let token = this.#next();
    const assigned = token.kind === "=";
    if (assigned) token = this.#next();
    if (token.kind === "{") return this.body("}", depth + 1);
    if (token.kind !== "text" && !(assigned && token.kind === "word")) throw unexpected(token);
    return assigned ? token.text : [{ name: token.text, value: this.#value(depth + 1) }];
  }

  #next(): Token {
    const token = this.#tokens[this.#at] ?? { kind: "end", line: 0 };
    this.#at++;
    return token;
  }
}

const token =
  /(?<space>[ \t\r\uFEFF]+)|(?<newline>\n)|(?<comment>#[^\n]*|\/\/[^\n]*)|\/\*(?<block>[\s\S]*?)\*\/|"(?<text>(?:[^"\\\n]|\\.)*)"|(?<word>[\w.-]+)|(?<mark>[{}=,])/uy;

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let line = 1;
  token.lastIndex = 0;
  while (token.lastIndex < text.length) {
    const at = token.lastIndex;
    const { newline, block, text: quoted, word, mark } = token.exec(text)?.groups ?? refused(text, at, line);
    if (newline) line++;
    else if (block !== undefined) line += block.split("\n").length - 1;
    else if (quoted !== undefined) tokens.push({ kind: "text", text: unescaped(quoted, line), line });
    else if (word !== undefined) tokens.push({ kind: "word", text: word, line });
    else if (mark !== undefined) tokens.push({ kind: mark as "{" | "}" | "=" | ",", line });
  }
  return [...tokens, { kind: "end", line }];
}

function refused(text: string, at: number, line: number): never {
  throw invalid(`line ${line}: unexpected ${JSON.stringify(text.slice(at, at + 1))}`);
}

function unescaped(quoted: string, line: number): string {
  if (!quoted.includes("\\")) return quoted;
  try {
    return String(JSON.parse(`"${quoted.replaceAll("\t", "\\t")}"`));
  } catch {
    throw invalid(`line ${line}: a text has an unknown escape`);
  }
}

function unexpected(found: Token): FabricError {
  const shown = found.kind === "word" || found.kind === "text" ? JSON.stringify(found.text) : found.kind;
  return invalid(`line ${found.line}: unexpected ${shown}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : "not JSON");
  }
}

/** HCL in JSON may put any object into a list. */
function ofJson(json: unknown, depth: number): Entry[] {
  if (depth > rulesDepthMax) throw tooDeep();
  if (Array.isArray(json)) return json.flatMap((item) => ofJson(item, depth + 1));
  if (typeof json !== "object" || json === null) throw invalid("expected an object");
  return Object.entries(json).map(([name, value]) => ({
    name,
    value: typeof value === "string" ? value : ofJson(value, depth + 1),
  }));
}

function tooDeep(): FabricError {
  return invalid(`rules are nested deeper than ${rulesDepthMax}`);
}

export function invalid(why: string): FabricError {
  return new FabricError("REGISTRY_INVALID", `Failed to parse ACL rules: ${why}`);
}

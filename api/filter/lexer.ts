/** Cuts a filter expression into tokens. Strings are "…" with Go's escapes or `…` as they are. */
import { invalidFilter } from "./expression.ts";

export type Token =
  | { readonly kind: "word" | "text"; readonly text: string; readonly at: number }
  | { readonly kind: "symbol"; readonly text: string; readonly at: number }
  | { readonly kind: "end"; readonly text: ""; readonly at: number };

const space = /[ \t\r\n]+/y;
const symbol = /==|!=|[()[\].]/y;
/** Names, keywords and unquoted values: numbers too. */
const word = /[A-Za-z_][A-Za-z0-9_/-]*|-?[0-9]+(?:\.[0-9]+)?(?![A-Za-z0-9_])/y;
const text = /"((?:[^"\\\n]|\\.)*)"|`([^`]*)`/y;
const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", "\\": "\\", '"': '"' };

/** @throws API_BAD_REQUEST */
export function tokensOf(expression: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp) => {
    pattern.lastIndex = at;
    const match = pattern.exec(expression);
    if (match) at = pattern.lastIndex;
    return match;
  };
  while (at < expression.length) {
    if (take(space)) continue;
    const start = at;
    const quoted = take(text);
    const found = quoted ?? take(symbol) ?? take(word);
    if (!found)
      throw invalidFilter(
        `1:${start + 1}: no match found, at ${JSON.stringify(expression.slice(start, start + 10))}`,
      );
    if (quoted)
      tokens.push({ kind: "text", text: quoted[2] ?? unescaped(quoted[1] ?? "", start), at: start });
    else if (/^[A-Za-z_0-9-]/.test(found[0])) tokens.push({ kind: "word", text: found[0], at: start });
    else tokens.push({ kind: "symbol", text: found[0], at: start });
  }
  return [...tokens, { kind: "end", text: "", at }];
}

function unescaped(body: string, at: number): string {
  return body.replace(/\\(.)/g, (_, letter: string) => {
    const meant = escapes[letter];
    if (meant === undefined) throw invalidFilter(`1:${at + 1}: invalid escape \\${letter}`);
    return meant;
  });
}

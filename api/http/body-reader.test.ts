import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bodyReader } from "./body-reader.ts";
import type { Framing } from "./request-head.ts";

function read(framing: Exclude<Framing, { kind: "none" }>, bytes: Buffer, cuts: readonly number[] = []) {
  const reader = bodyReader(framing, 100);
  const parts: Buffer[] = [];
  const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  let used = 0;
  for (const [at, from] of edges.entries())
    if (reader.state === "open")
      used += reader.read(bytes.subarray(from, edges[at + 1]), (part) => parts.push(part));
  return { state: reader.state, used, content: Buffer.concat(parts).toString() };
}

const next = "GET /next";
const cuts = fc.array(fc.nat(), { maxLength: 8 });

describe("a body", () => {
  test("of a length ends there, however it comes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary-ascii", minLength: 1 }), cuts, (content, at) => {
        const bytes = Buffer.from(content + next);
        const { length } = Buffer.from(content);
        expect(read({ kind: "length", bytes: length }, bytes, at)).toEqual({
          state: "whole",
          used: length,
          content,
        });
      }),
    );
  });

  test("in chunks ends behind its trailers, however it comes", () => {
    const extension = fc.constantFrom("", ";a", ";a=b;c");
    const trailers = fc.constantFrom("", "A: b\r\n", "A: b\r\nC:\r\n");
    const chunks = fc.array(fc.tuple(fc.string({ unit: "binary-ascii", minLength: 1 }), extension));
    fc.assert(
      fc.property(chunks, trailers, cuts, (list, trailer, at) => {
        const body = `${list.map(([text, ext]) => `${text.length.toString(16)}${ext}\r\n${text}\r\n`).join("")}0\r\n${trailer}\r\n`;
        const content = list.map(([text]) => text).join("");
        expect(read({ kind: "chunked" }, Buffer.from(body + next), at)).toEqual({
          state: "whole",
          used: body.length,
          content,
        });
      }),
    );
  });

  test.each([
    ["no size", "\r\n"],
    ["a size that is no number", "x\r\n"],
    ["a signed size", "-1\r\n"],
    ["a size in hex with its mark", "0x1\r\n"],
    ["a space behind the size", "1 \r\nx\r\n"],
    ["a size beyond counting", "fffffffff\r\n"],
    ["a line feed alone", "1\nx\r\n"],
    ["a carriage return inside of a line", "1\r;a\r\n"],
    ["a quoted extension", '1;a="b"\r\n'],
    ["more content than its size", "1\r\nxy\r\n"],
    ["a trailer that is no header", "0\r\nhello\r\n\r\n"],
    ["a folded trailer", "0\r\nA: b\r\n c\r\n\r\n"],
    ["an extension without end", `1;${"a".repeat(300)}`],
    ["a trailer beyond its limit", `0\r\nA: ${"b".repeat(100)}\r\n\r\n`],
    ["trailers beyond it together", `0\r\n${"A: b\r\n".repeat(30)}\r\n`],
  ])("in chunks with %s is malformed", (_, text) => {
    expect(read({ kind: "chunked" }, Buffer.from(text)).state).toBe("malformed");
  });
});

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LinearRegex } from "./linear-regex.ts";

describe("regular expressions", () => {
  test("agree with JavaScript's on what both know", () => {
    const atom = fc.constantFrom("a", "b", ".", "\\d", "[ab]", "[^a]", "[a-c1]", "\\w", "\\S", "\\.", "x");
    const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
      pattern: fc.oneof(
        { maxDepth: 4 },
        atom,
        fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => a + b),
        fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => `(${a}|${b})`),
        fc
          .tuple(tie("pattern"), fc.constantFrom("*", "+", "?", "{2}", "{1,2}", "{0,}", "*?"))
          .map(([a, times]) => `(?:${a})${times}`),
        tie("pattern").map((a) => `^${a}`),
        tie("pattern").map((a) => `${a}$`),
      ),
    }));
    const text = fc.string({ unit: fc.constantFrom("a", "b", "c", "1", ".", " ", "x"), maxLength: 8 });
    fc.assert(
      fc.property(pattern, text, fc.boolean(), (source, subject, ignoresCase) => {
        const expected = new RegExp(source, ignoresCase ? "iu" : "u").test(subject);
        expect(new LinearRegex(ignoresCase ? `(?i)${source}` : source).test(subject), source).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test("find the same match and groups as JavaScript's where nothing empty is repeated", () => {
    const atom = fc.constantFrom("a", "b", "ab", ".", "[ab]", "\\d", "a+", "b*", "a??", "b+?", ".*", ".*?");
    const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
      pattern: fc.oneof(
        { maxDepth: 4 },
        atom,
        fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => a + b),
        fc.tuple(tie("pattern"), tie("pattern")).map(([a, b]) => `(${a}|${b})`),
        tie("pattern").map((a) => `(${a})`),
      ),
    }));
    const text = fc.string({ unit: fc.constantFrom("a", "b", "1"), maxLength: 8 });
    fc.assert(
      fc.property(pattern, text, (source, subject) => {
        const expected = new RegExp(source, "u").exec(subject);
        const found = new LinearRegex(source).match(subject);
        expect(found, source).toEqual(expected ? Array.from(expected, (one) => one ?? "") : undefined);
      }),
      { numRuns: 2000 },
    );
  });

  test("find the groups of a template", () => {
    const regex = new LinearRegex("^geo-db-(.*?)-([^\\-]+?)$");
    expect(regex.match("geo-db-customer-master")).toEqual(["geo-db-customer-master", "customer", "master"]);
    expect(regex.match("geo-db-customer")).toBeUndefined();
    expect(new LinearRegex("(?:x)(y)?").match("ax")).toEqual(["x", ""]);
  });

  test("take linear time where JavaScript's take for ever", () => {
    const regex = new LinearRegex("^((a+)+)+$");
    expect(regex.test(`${"a".repeat(4096)}b`)).toBe(false);
    expect(regex.test("a".repeat(4096))).toBe(true);
  });

  test.each([
    "(a{1000}){1000}",
    "a{2001}",
    "[",
    "a)",
    "*",
    "\\",
    "\\p{L}",
    "a{2,1}",
    "[b-a]",
    "(".repeat(100),
  ])("%s is refused", (pattern) => {
    expect(() => new LinearRegex(pattern)).toThrow(/error parsing regexp/);
  });
});

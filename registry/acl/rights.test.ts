import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseRules } from "./parse-rules.ts";
import { Rights } from "./rights.ts";
import { type Access, contains, type Resource, type Rule } from "./rule.ts";

describe("rules", () => {
  test.each([
    ["a block", 'key_prefix "a/" { policy = "read" }'],
    ["an assigned object", 'key_prefix "a/" = { policy = "read" }'],
    ["with comments", '# one\nkey_prefix /* two */ "a/" { // three\n policy = "read"\n}'],
    ["nested", 'key_prefix { "a/" { policy = "read" } }'],
    ["JSON", '{"key_prefix": {"a/": {"policy": "read"}}}'],
    ["JSON with lists", '{"key_prefix": [{"a/": [{"policy": "read"}]}]}'],
  ])("are read as %s", (_how, text) => {
    expect(parseRules(text)).toEqual([{ resource: "key", match: "prefix", name: "a/", access: "read" }]);
  });

  test("of what there is once, and of what has no effect", () => {
    const text = 'operator = "read"\nacl = "write"\nkeyring = "write"\nmesh = "read"';
    expect(parseRules(text)).toEqual([
      { resource: "operator", match: "exact", name: "", access: "read" },
      { resource: "acl", match: "exact", name: "", access: "write" },
    ]);
    expect(parseRules('service "web" { policy = "read" intentions = "deny" }')).toHaveLength(1);
    expect(parseRules("")).toEqual([]);
  });

  test.each([
    ["a kind that is none", 'kye "a" { policy = "deny" }'],
    ["no policy", 'key "a" { }'],
    ["an access that is none", 'key "a" { policy = "reed" }'],
    ["two policies", 'key "a" { policy = "read" policy = "write" }'],
    ["a field that is none", 'key "a" { policy = "read" sentinel = "x" }'],
    ["a list of services", 'service "a" { policy = "list" }'],
    ["no end", 'key "a" { policy = "read"'],
    ["an end too many", 'key "a" { policy = "read" } }'],
    ["a text without end", 'key "a { policy = "read" }'],
    ["a bare value", 'key "a" "b"'],
    ["damaged JSON", '{"key": '],
    ["too deep", `${"a {".repeat(20)}`],
    ["too many bytes", `# ${"x".repeat(70_000)}`],
  ])("are refused with %s", (_what, text) => {
    expect(() => parseRules(text)).toThrow(expect.objectContaining({ code: "REGISTRY_INVALID" }));
  });

  test("never fail but by their own error", () => {
    const pieces = fc.constantFrom(
      "key",
      '"a"',
      "{",
      "}",
      "=",
      "policy",
      '"read"',
      "[",
      ",",
      "\n",
      "/*",
      "*/",
      "\\",
      '"',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces).map((all) => all.join(" ")),
        ),
        (text) => {
          try {
            parseRules(text);
          } catch (error) {
            expect(error).toMatchObject({ code: "REGISTRY_INVALID" });
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

/** As the documentation tells it, one rule after the other. */
function naive(rules: readonly Rule[], fallback: Access, resource: Resource, name: string): Access {
  const strongest = (found: readonly Rule[]): Access | undefined =>
    (["deny", "write", "list", "read"] as const).find((access) =>
      found.some((rule) => rule.access === access),
    );
  const own = rules.filter((rule) => rule.resource === resource);
  const exact = strongest(own.filter((rule) => rule.match === "exact" && rule.name === name));
  if (exact) return exact;
  for (let length = name.length; length >= 0; length--) {
    const found = strongest(
      own.filter((rule) => rule.match === "prefix" && rule.name === name.slice(0, length)),
    );
    if (found) return found;
  }
  return fallback;
}

const name = fc.string({ unit: fc.constantFrom("a", "b", "/"), maxLength: 5 });
const access = fc.constantFrom<Access>("deny", "read", "list", "write");
const rule = fc.record({
  resource: fc.constantFrom<Resource>("key", "service"),
  match: fc.constantFrom<"exact" | "prefix">("exact", "prefix"),
  name,
  access,
});

describe("rights", () => {
  test("agree with the model that reads rule by rule", () => {
    fc.assert(
      fc.property(
        fc.array(rule, { maxLength: 12 }),
        fc.constantFrom<"deny" | "write">("deny", "write"),
        name,
        (rules, defaultAccess, asked) => {
          const rights = new Rights({ accessor: "a", defaultAccess, rules });
          for (const resource of ["key", "service", "node"] as const) {
            const expected = naive(rules, defaultAccess, resource, asked);
            expect(rights.access(resource, asked)).toBe(expected);
            expect(rights.allows(resource, asked, "read")).toBe(contains(expected, "read"));
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("over all keys under a prefix are those over each", () => {
    const below = ["", "a", "b", "/", "aa", "ab", "a/", "ba", "b/", "/a", "aaa", "aab", "a/a", "a/b"];
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 8 }), name, (rules, prefix) => {
        const rights = new Rights({ accessor: "a", defaultAccess: "write", rules });
        if (!rights.allowsWritingUnder(prefix)) return;
        for (const rest of below) expect(rights.allows("key", prefix + rest, "write")).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });

  test("over nodes and services have no case, those over keys do", () => {
    const rules = parseRules('service "Web" { policy = "deny" } key "K" { policy = "deny" }');
    const rights = new Rights({ accessor: "a", defaultAccess: "write", rules });
    expect(rights.allows("service", "wEB", "read")).toBe(false);
    expect(rights.allows("key", "K", "read")).toBe(false);
    expect(rights.allows("key", "k", "read")).toBe(true);
  });

  test("refuse in Consul's words", () => {
    const anonymous = new Rights({ accessor: "", defaultAccess: "deny", rules: [] });
    expect(() => anonymous.assert("key", "a", "read")).toThrow(
      "Permission denied: anonymous token lacks permission 'key:read' on \"a\". The anonymous token is used implicitly when a request does not specify a token.",
    );
    const other = new Rights({ accessor: "x", defaultAccess: "deny", rules: [] });
    expect(() => other.assert("operator", "", "write")).toThrow(
      "Permission denied: token with AccessorID 'x' lacks permission 'operator:write'",
    );
  });
});

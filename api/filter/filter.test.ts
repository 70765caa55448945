/** The filter language: what holds, what is refused, and that no text or pattern crashes or stalls it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FabricError } from "../../errors/index.ts";
import { compileFilter } from "./evaluate.ts";

const item = {
  Node: { Node: "db-1", Meta: { rack: "a", "a.b": "x" } },
  Service: {
    Service: "web",
    Tags: ["v1", "blue"],
    Port: 80,
    Meta: {},
    Address: "",
    EnableTagOverride: false,
  },
  Checks: [{ Status: "passing" }, { Status: "critical" }],
};

describe("expressions", () => {
  test.each([
    ['Service.Service == "web"', true],
    ["Service.Service == web", true],
    ["Service.Service != `web`", false],
    ['Service["Service"] == "web"', true],
    ['"/Service/Service" == "web"', true],
    ["Service.Port == 80", true],
    ["Service.Port != 81", true],
    ["Service.EnableTagOverride == false", true],
    ['"v1" in Service.Tags', true],
    ["v2 in Service.Tags", false],
    ["v2 not in Service.Tags", true],
    ['Service.Tags contains "blue"', true],
    ['Service.Tags not contains "blue"', false],
    ['"rack" in Node.Meta', true],
    ["Service.Service contains we", true],
    ["Service.Meta is empty", true],
    ["Service.Tags is not empty", true],
    ["Service.Address is empty", true],
    ['Service.Kind == ""', true],
    ["Node.Meta.rack == a", true],
    ['Node.Meta["a.b"] == x', true],
    ["Node.Meta.zone == a", false],
    ["Node.Meta.zone != a", true],
    ["Node.Meta.zone is empty", true],
    ["Node.Meta.zone is not empty", false],
    ['Node.Node matches "^db-[0-9]+$"', true],
    ['Node.Node not matches "^web"', true],
    ["Checks.Status == critical", true],
    ["Checks.Status != passing", true],
    ["not Checks.Status == critical", false],
    ["Checks.Status == warning or Service.Port == 80 and Service.Service == api", false],
    ["(Checks.Status == warning or Service.Port == 80) and Service.Service == web", true],
    ["not (Service.Port == 80 and not Service.Service == web)", true],
    ['Service.Service == "a\\"b"', false],
  ])("%s is %s", (text, holds) => {
    expect(compileFilter(text)(item)).toBe(holds);
  });

  test.each([
    "",
    "Service",
    "Service.Service ==",
    "== web",
    "Service.Service = web",
    "(Service.Port == 80",
    "Service.Port == 80)",
    '"web" == Service.Service',
    "Service.Tags is",
    "Service.Tags is full",
    "Service.Nothing == x",
    "Service.Port == eighty",
    "Service.Port matches 8",
    "Service.Tags == v1",
    'Service.Service matches "("',
    'Service.Service matches "(?<x>a)"',
    'Service.Service == "\\q"',
    `${"(".repeat(65)}Service.Port == 80${")".repeat(65)}`,
    `Service.Service == "${"x".repeat(5000)}"`,
  ])("%s is refused", (text) => {
    expect(() => compileFilter(text)(item)).toThrow(/^Failed to create boolean expression evaluator: /);
  });

  test("no text does more than hold, not hold or be refused", () => {
    const piece = fc.constantFrom(
      ...'Service Node Meta Tags . [ ] ( ) == != in not and or is empty contains matches "x" ` 80 -1 "/a" "(a*)*" é'.split(
        " ",
      ),
    );
    const text = fc.oneof(
      fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join(" ")),
      fc.string(),
    );
    fc.assert(
      fc.property(text, (expression) => {
        try {
          expect(typeof compileFilter(expression)(item)).toBe("boolean");
        } catch (error) {
          expect(error).toBeInstanceOf(FabricError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("what is built of the grammar says what JavaScript says of it", () => {
    const leaf = fc.constantFrom(
      ["Service.Port == 80", true] as const,
      ["Node.Meta.rack == b", false] as const,
      ["v1 in Service.Tags", true] as const,
    );
    const { tree } = fc.letrec<{ tree: readonly [string, boolean] }>((tie) => ({
      tree: fc.oneof(
        { maxDepth: 5 },
        leaf,
        tie("tree").map(([text, holds]) => [`not (${text})`, !holds] as const),
        fc
          .tuple(tie("tree"), tie("tree"))
          .map(([a, b]) => [`(${a[0]}) and (${b[0]})`, a[1] && b[1]] as const),
        fc.tuple(tie("tree"), tie("tree")).map(([a, b]) => [`(${a[0]}) or (${b[0]})`, a[1] || b[1]] as const),
      ),
    }));
    fc.assert(
      fc.property(tree, ([text, holds]) => {
        fc.pre(text.length < 4000);
        expect(compileFilter(text)(item)).toBe(holds);
      }),
    );
  });
});

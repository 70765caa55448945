import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inParts } from "./parts.ts";
import type { ReplacementWrite } from "./replacement.ts";

const put = (key: string, bytes: number): ReplacementWrite => ({
  op: "put",
  key,
  value: Buffer.alloc(bytes),
});
const sizeOf = (write: ReplacementWrite) => (write.op === "put" ? write.value.length : 0);
const keysOf = (parts: readonly (readonly ReplacementWrite[])[]) =>
  parts.map((part) => part.map(({ key }) => key).join(""));

describe("inParts()", () => {
  it.each([
    ["nothing", [], []],
    ["what fits exactly", [put("a", 6), put("b", 4)], ["ab"]],
    ["what is a byte too much", [put("a", 6), put("b", 5)], ["a", "b"]],
    ["a write larger than a part", [put("a", 1), put("b", 50), put("c", 1)], ["a", "b", "c"]],
    ["more writes than a part takes", "abcde".split("").map((key) => put(key, 0)), ["abc", "de"]],
    ["deletions", [put("a", 10), { op: "delete", key: "b" }, put("c", 1)], ["ab", "c"]],
  ] satisfies [string, ReplacementWrite[], string[]][])("packs %s", (_, writes, expected) => {
    expect(keysOf(inParts(writes, { bytesMax: 10, writesMax: 3, sizeOf }))).toEqual(expected);
  });

  it("keeps order, fits every part, and begins a new one only where the next write does not fit", () => {
    const limits = { bytesMax: 20, writesMax: 4, sizeOf };
    const bytesIn = (part: readonly ReplacementWrite[]) =>
      part.reduce((sum, write) => sum + sizeOf(write), 0);
    fc.assert(
      fc.property(fc.array(fc.nat(30)), (sizes) => {
        const writes = sizes.map((size, at) => put(`${at}`, size));
        const parts = inParts(writes, limits);
        expect(parts.flat()).toEqual(writes);
        for (const [at, part] of parts.entries()) {
          expect(part.length).toBeGreaterThan(0);
          expect(part.length === 1 || (part.length <= 4 && bytesIn(part) <= 20)).toBe(true);
          const next = parts[at + 1]?.[0];
          if (next) expect(part.length === 4 || bytesIn(part) + sizeOf(next) > 20).toBe(true);
        }
      }),
    );
  });
});

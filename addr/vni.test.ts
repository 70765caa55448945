import fc from "fast-check";
import { expect, it } from "vitest";
import { parseVni, vniMax } from "./index.ts";

const invalid = expect.objectContaining({ code: "ADDR_INVALID_VNI" });

it("parseVni() takes 1 to 2^24 - 1 as number or decimal text", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: vniMax }), (vni) => {
      expect(parseVni(vni)).toBe(vni);
      expect(parseVni(`${vni}`)).toBe(vni);
    }),
  );
});

it.each([0, -1, 1.5, vniMax + 1, Number.NaN, "", "0", "01", "1e3", "0x10", " 1", "1 ", "16777216", "-1"])(
  "parseVni() refuses %j",
  (value) => {
    expect(() => parseVni(value)).toThrow(invalid);
  },
);

it("parseVni() quotes no more than the beginning of a text", () => {
  expect(() => parseVni("1".repeat(10_000))).toThrow(/^.{0,200}$/);
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compareFqdn,
  type Fqdn,
  fqdnLabels,
  ipFromBytes,
  isHostLabel,
  parseFqdn,
  parseIp,
  reverseName,
} from "./index.ts";

const invalid = expect.objectContaining({ code: "ADDR_INVALID_NAME" });
const printable = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
const label = fc
  .array(
    printable.filter((character) => character !== "."),
    { minLength: 1, maxLength: 63 },
  )
  .map((characters) => characters.join(""));
const name = fc
  .array(label, { minLength: 1, maxLength: 6 })
  .map((labels) => labels.join("."))
  .filter((text) => text.length <= 253);

describe("parseFqdn()", () => {
  it("lower-cases, drops one trailing dot, and takes its own result back", () => {
    fc.assert(
      fc.property(name, fc.boolean(), (text, dot) => {
        const fqdn = parseFqdn(dot ? `${text}.` : text);
        expect(fqdn).toBe(text.toLowerCase());
        expect(parseFqdn(fqdn)).toBe(fqdn);
        expect(fqdnLabels(fqdn).join(".")).toBe(fqdn);
      }),
    );
  });

  it("gives names that DNS can carry for whatever it takes, and refuses the rest with its own code", () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: "binary" }),
      fc.array(label, { maxLength: 8 }).map((l) => l.join(".")),
    );
    fc.assert(
      fc.property(text, (text) => {
        let fqdn: Fqdn;
        try {
          fqdn = parseFqdn(text);
        } catch (error) {
          expect(error).toEqual(invalid);
          return;
        }
        const wireBytes = fqdnLabels(fqdn).reduce((bytes, label) => bytes + 1 + Buffer.byteLength(label), 1);
        expect(wireBytes).toBeLessThanOrEqual(255);
        for (const label of fqdnLabels(fqdn)) expect(label).toMatch(/^[\x21-\x7e]{1,63}$/);
      }),
      { numRuns: 2000 },
    );
  });

  it("takes names and labels up to their limits and no further", () => {
    const labels = (...lengths: number[]) => lengths.map((length) => "a".repeat(length)).join(".");
    expect(parseFqdn(labels(63, 63, 63, 61))).toHaveLength(253);
    expect(parseFqdn(`${labels(63, 63, 63, 61)}.`)).toHaveLength(253);
    expect(() => parseFqdn(labels(63, 63, 63, 62))).toThrow(invalid);
    expect(() => parseFqdn(labels(64))).toThrow(invalid);
  });

  it("reads the root from both of its texts", () => {
    expect([parseFqdn(""), parseFqdn("."), fqdnLabels(parseFqdn("."))]).toEqual(["", "", []]);
  });

  it.each(["..", ".a", "a..b", "a..", "a b", "a\n", "ä", "web\u200b", "\u212aube", "a\u0000"])(
    "refuses %j",
    (text) => {
      expect(() => parseFqdn(text)).toThrow(invalid);
    },
  );
});

describe("names", () => {
  it("sort as RFC 4034 section 6.1 shows", () => {
    const sorted = [
      "example",
      "a.example",
      "yljkjljk.a.example",
      "z.a.example",
      "zabc.a.example",
      "z.example",
    ].map(parseFqdn);
    expect(sorted.toReversed().toSorted(compareFqdn)).toEqual(sorted);
  });

  it("sort in a total order", () => {
    fc.assert(
      fc.property(name, name, name, (...texts) => {
        const [a, b, c] = texts.map(parseFqdn).toSorted(compareFqdn) as [Fqdn, Fqdn, Fqdn];
        expect(compareFqdn(a, c)).toBeLessThanOrEqual(0);
        expect(Math.sign(compareFqdn(a, b))).toBe(-Math.sign(compareFqdn(b, a)) || 0);
        expect(compareFqdn(a, b) === 0).toBe(a === b);
      }),
    );
  });

  it.each([
    ["web", true],
    ["Web-1", true],
    ["1", true],
    ["-a", false],
    ["a-", false],
    ["a_b", false],
    ["", false],
    ["a".repeat(63), true],
    ["a".repeat(64), false],
    ["ä", false],
    ["a\n", false],
  ])("isHostLabel(%j) is %s", (text, expected) => {
    expect(isHostLabel(text)).toBe(expected);
  });

  it("of addresses in reverse hold each byte or nibble, last first", () => {
    expect(reverseName(parseIp("192.0.2.5"))).toBe("5.2.0.192.in-addr.arpa");
    expect(reverseName(parseIp("2001:db8::567:89ab"))).toBe(
      "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const name = reverseName(ipFromBytes(bytes));
        expect(parseFqdn(name)).toBe(name);
        expect(fqdnLabels(name).slice(0, 32).toReversed().join("")).toBe(Buffer.from(bytes).toString("hex"));
      }),
    );
  });
});

import fc from "fast-check";
import { expect, it } from "vitest";
import { parseCidr, parseIp, parseMac } from "../../addr/index.ts";
import { type Row, rowText, sameRow } from "./row.ts";

const link = fc.constantFrom("a", "b");
const ip = fc.constantFrom(parseIp("192.0.2.1"), parseIp("192.0.2.2"), parseIp("fe80::1"));
const mac = fc.constantFrom(parseMac("02:00:00:00:00:01"), parseMac("02:00:00:00:00:02"));
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const row: fc.Arbitrary<Row> = fc.oneof(
  fc.record({
    kind: fc.constant("address"),
    link,
    ip,
    prefix: fc.constantFrom(24, 32),
    scope: fc.constantFrom(0, 253),
  }),
  fc.record({
    kind: fc.constant("neighbour"),
    neighbour: fc.record({ link, ip, mac: maybe(mac), permanent: fc.boolean() }),
  }),
  fc.record({
    kind: fc.constant("fdb"),
    entry: fc.record({ link, mac, destination: maybe(ip), permanent: fc.boolean() }),
  }),
  fc.record({
    kind: fc.constant("route"),
    route: fc.record({
      to: fc.constantFrom(parseCidr("10.0.0.0/26"), parseCidr("fd00::/122")),
      type: fc.constantFrom("unicast", "unreachable"),
      link: maybe(link),
      via: maybe(ip),
      onlink: maybe(fc.boolean()),
      source: maybe(ip),
      protocol: fc.constantFrom(72, 4),
      table: fc.constantFrom(254, 7),
      metric: maybe(fc.constantFrom(0, 1024)),
      mtu: maybe(fc.constantFrom(1400, 1450)),
      scope: maybe(fc.constantFrom(0, 253)),
    }),
  }),
) as fc.Arbitrary<Row>;

/** The row and itself with one part of another, or another. */
const pair = fc.tuple(row, row, fc.nat()).map(([a, b, pick]): [Row, Row] => {
  const fieldsOf = (of: Row) => Object.values(of).find((value) => typeof value === "object") ?? of;
  const keys = Object.keys(fieldsOf(a));
  const key = keys[pick % keys.length] ?? "";
  if (a.kind !== b.kind || key === "kind") return [a, b];
  const mixed = structuredClone(a);
  Object.assign(fieldsOf(mixed), { [key]: (fieldsOf(b) as Record<string, unknown>)[key] });
  return [a, mixed];
});

it("sameRow() says what a comparison of texts says", () => {
  fc.assert(
    fc.property(pair, ([a, b]) => {
      expect(sameRow(a, b)).toBe(rowText(a) === rowText(b));
      expect(sameRow(a, structuredClone(a))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

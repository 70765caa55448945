/** Who gets how many replies. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseCidr, parseIp } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { clientView } from "./edns-options.ts";
import { exemptRanges } from "./exempt.ts";
import { RateGate } from "./rate-gate.ts";
import type { RateTerms } from "./rate-limit.ts";

const terms: RateTerms = { perSecond: 10, slip: 2, entriesMax: 1024, prefix4Bits: 24, prefix6Bits: 56 };
const at = (ip: string) => clientView({ ip: parseIp(ip) }, 0);

function gate(more: Partial<RateTerms> = {}, cidrs = ["10.9.0.0/16"]) {
  const clock = new ManualClock();
  const made = new RateGate(
    { ...terms, ...more },
    7,
    clock,
    exemptRanges(() => cidrs.map(parseCidr), clock),
  );
  const verdicts = (ip: string, count: number, kind = 99, known = false) =>
    Array.from({ length: count }, () => made.judge(at(ip), kind, known));
  return { clock, made, verdicts };
}

describe("the rate of replies", () => {
  test("is a second's worth at once, then as many a second; every second one beyond it says: ask over TCP", async () => {
    const { clock, made, verdicts } = gate();
    expect(verdicts("192.0.2.1", 10)).toEqual(new Array(10).fill("send"));
    expect(verdicts("192.0.2.1", 4)).toEqual(["drop", "slip", "drop", "slip"]);
    expect([made.dropped, made.slipped]).toEqual([2, 2]);
    await clock.advance(100);
    expect(verdicts("192.0.2.1", 2)).toEqual(["send", "drop"]);
    await clock.advance(60_000);
    expect(verdicts("192.0.2.1", 11).filter((each) => each === "send")).toHaveLength(10);
  });

  test.each([
    ["192.0.2.1", "192.0.2.254", true],
    ["192.0.2.1", "192.0.3.1", false],
    ["2001:db8:0:1::1", "2001:db8:0:ff::2", true],
    ["2001:db8:0:1::1", "2001:db8:0:100::1", false],
  ])("of %s counts for %s: %s", (one, other, together) => {
    const { verdicts } = gate();
    verdicts(one, 10);
    expect(verdicts(other, 1)[0] === "drop").toBe(together);
  });

  test("counts each kind apart", () => {
    const { verdicts } = gate();
    verdicts("192.0.2.1", 20, 1);
    expect(verdicts("192.0.2.1", 1, 2)).toEqual(["send"]);
  });

  test.each([
    ["loopback", "127.0.0.1", false],
    ["IPv6 loopback", "::1", false],
    ["an exempt network", "10.9.3.4", false],
    ["whoever showed our cookie", "192.0.2.1", true],
  ])("is not limited for %s", (_who, ip, known) => {
    expect(new Set(gate().verdicts(ip, 1000, 99, known))).toEqual(new Set(["send"]));
  });

  test.each([
    [0, ["drop"]],
    [1, ["slip"]],
  ])("with slip %i gives %j", (slip, expected) => {
    expect([...new Set(gate({ slip }).verdicts("192.0.2.1", 50).slice(10))]).toEqual(expected);
  });

  test("is without a limit when that is 0", () => {
    expect(new Set(gate({ perSecond: 0 }).verdicts("192.0.2.1", 500))).toEqual(new Set(["send"]));
  });

  test("of a flooded network stays limited while made-up addresses fill the table", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(0xffffff), { minLength: 100, maxLength: 100 }), (strangers) => {
        const { verdicts } = gate({ entriesMax: 64 });
        verdicts("192.0.2.1", 30);
        let sent = 0;
        for (const each of strangers) {
          verdicts(`${(each >> 16) % 200}.${(each >> 8) & 255}.${each & 255}.1`, 1);
          sent += verdicts("192.0.2.1", 1).filter((verdict) => verdict === "send").length;
        }
        expect(sent).toBeLessThanOrEqual(10);
      }),
      { numRuns: 50 },
    );
  });
});

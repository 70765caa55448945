import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isLinkLocal, linkLocalFromMac, macFromBytes, macToBytes, parseMac, privateMac } from "./index.ts";

const invalid = expect.objectContaining({ code: "ADDR_INVALID_MAC" });
const six = fc.uint8Array({ minLength: 6, maxLength: 6 }).filter((bytes) => bytes.some((byte) => byte !== 0));

describe("Mac", () => {
  it("is one text an address: any notation gives it back", () => {
    fc.assert(
      fc.property(six, (bytes) => {
        const mac = macFromBytes(bytes);
        for (const text of [mac, mac.toUpperCase(), mac.replaceAll(":", "-")])
          expect(parseMac(text)).toBe(mac);
        expect(macToBytes(mac)).toEqual(bytes);
      }),
    );
  });

  it.each([
    "",
    "02:42:ac:11:00",
    "02:42:ac:11:00:02:03",
    "02:42-ac:11:00:02",
    "0242ac110002",
    "0242.ac11.0002",
    "2:42:ac:11:0:2",
    "02:42:ac:11:00:0g",
    " 02:42:ac:11:00:02",
    "02:42:ac:11:00:02\n",
    "00:00:00:00:00:00",
  ])("refuses %j", (text) => {
    expect(() => parseMac(text)).toThrow(invalid);
  });

  it("made from entropy is unicast and locally administered, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 32 }), (bytes) => {
        const before = Uint8Array.from(bytes);
        const mac = macToBytes(privateMac(bytes));
        expect((mac[0] as number) & 3).toBe(2);
        expect([...mac.subarray(1)]).toEqual([...bytes.subarray(1, 6)]);
        expect(bytes).toEqual(before);
      }),
    );
    expect(() => privateMac(new Uint8Array(5))).toThrow(invalid);
  });

  it("gives the link-local address of RFC 4291 appendix A", () => {
    expect(linkLocalFromMac(parseMac("34:56:78:9a:bc:de"))).toBe("fe80::3656:78ff:fe9a:bcde");
    fc.assert(fc.property(six, (bytes) => isLinkLocal(linkLocalFromMac(macFromBytes(bytes)))));
  });
});

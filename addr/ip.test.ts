import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { describe, expect, it } from "vitest";
import {
  compareIp,
  type Family,
  familyBits,
  familyOf,
  type Ip,
  ipAdd,
  ipFromBigInt,
  ipFromBytes,
  ipToBigInt,
  ipToBytes,
  isIp,
  isLinkLocal,
  isLoopback,
  parseIp,
  parseIpv4,
  parseIpv6,
  parseZonedIp,
} from "./index.ts";

const family = fc.constantFrom<Family>(4, 6);
/** Zero bytes are common, so that runs of zero groups of every length and place come up. */
const byte = fc.oneof(fc.constant(0), fc.constant(0xff), fc.nat(255));
const ip: fc.Arbitrary<Ip> = family.chain((family) =>
  fc.array(byte, { minLength: family === 4 ? 4 : 16, maxLength: family === 4 ? 4 : 16 }).map((bytes) => {
    return ipFromBytes(Uint8Array.from(bytes));
  }),
);
/** Text that is nearly an address: the places where parsers differ. */
const nearly = fc.oneof(
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          ":",
          "::",
          ".",
          "0",
          "00",
          "ffff",
          "FFFF",
          "1",
          "255",
          "256",
          "010",
          "g",
          "%eth0",
          "/8",
        ),
        fc.constantFrom(" ", "-", "+1", "0x1", "\u0660", "\n", "12345", "1.2.3.4", "fe80"),
        fc.nat(300).map(String),
      ),
      { maxLength: 16 },
    )
    .map((parts) => parts.join("")),
  fc.array(fc.nat(300).map(String), { minLength: 3, maxLength: 5 }).map((parts) => parts.join(".")),
  fc
    .array(
      fc.oneof(
        fc.constant(""),
        fc.nat(0x1ffff).map((group) => group.toString(16)),
      ),
      { minLength: 1, maxLength: 9 },
    )
    .map((parts) => parts.join(":")),
  fc.tuple(ip, fc.nat(40), fc.constantFrom("", ":", ".", "0", "f", "g")).map(([ip, at, extra]) => {
    return ip.slice(0, at) + extra + ip.slice(at + 1);
  }),
  fc.ipV4(),
  fc.ipV6(),
  fc.string(),
);
const many = { numRuns: 5000 };

describe("parseIp()", () => {
  it("takes exactly the texts that Node takes, zones aside", () => {
    fc.assert(
      fc.property(nearly, (text) => {
        expect(isIp(text), text).toBe(isIP(text) !== 0 && !text.includes("%"));
      }),
      many,
    );
  });

  it("reads the same bytes as ipaddr.js and the URL standard", () => {
    fc.assert(
      fc.property(nearly, (text) => {
        fc.pre(isIp(text));
        // ipaddr.js 2.5 takes ::1.2.3.4 for ::ffff:1.2.3.4; Node's URL writes hex groups, which it reads well.
        const plain = text.includes(":") ? new URL(`http://[${text}]/`).hostname.slice(1, -1) : text;
        expect([...ipToBytes(parseIp(text))], text).toEqual(ipaddr.parse(plain).toByteArray());
      }),
      many,
    );
  });

  it("throws ADDR_INVALID_IP for anything else, quoting no more than its beginning", () => {
    fc.assert(
      fc.property(nearly, (text) => {
        fc.pre(!isIp(text));
        for (const parse of [parseIp, parseIpv4, parseIpv6]) {
          expect(() => parse(text)).toThrow(expect.objectContaining({ code: "ADDR_INVALID_IP" }));
        }
      }),
    );
    expect(() => parseIp("1".repeat(10_000))).toThrow(/^.{0,200}$/);
  });

  it.each([
    "010.0.0.1",
    "1.2.3",
    "1.2.3.4.5",
    "1..2.3",
    "1.2.3.",
    ".1.2.3",
    "1.2.3.256",
    "1.2.3.4 ",
    "0x1.2.3.4",
    "16909060",
    "",
    ":",
    ":::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2::3",
    "12345::",
    "::1.2.3",
    "::1.2.3.04",
    "1.2.3.4::",
    "::ffff:1.2.3.4:5",
    "1:2:3:4:5:6:7:1.2.3.4",
    "1:2:3:4:5:6:7::8:9",
    ":1::",
    "1:",
    "::1:",
    "fe80::1%eth0",
    "[::1]",
  ])("refuses %j", (text) => {
    expect(() => parseIp(text)).toThrow(expect.objectContaining({ code: "ADDR_INVALID_IP" }));
    expect(isIp(text)).toBe(false);
  });

  it.each([
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["2001:DB8::0:1", "2001:db8::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["::ffff:0a00:0001", "::ffff:10.0.0.1"],
    ["64:ff9b::1.2.3.4", "64:ff9b::102:304"],
    ["1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"],
  ])("writes %s as %s", (text, canonical) => {
    expect(parseIp(text)).toBe(canonical);
  });
});

describe("canonical text", () => {
  it("is what the WHATWG URL standard writes, dotted quads of mapped addresses aside", () => {
    fc.assert(
      fc.property(ip, (ip) => {
        const host = new URL(familyOf(ip) === 4 ? `http://${ip}/` : `http://[${ip}]/`).hostname;
        if (ip.startsWith("::ffff:") && ip.includes(".")) expect(parseIp(host.slice(1, -1))).toBe(ip);
        else expect(familyOf(ip) === 4 ? host : host.slice(1, -1)).toBe(ip);
      }),
      many,
    );
  });

  it("is one text an address: parsing any notation of it, and the text itself, gives it back", () => {
    fc.assert(
      fc.property(ip, (ip) => {
        const parsed = ipaddr.parse(ip);
        const notations = [ip, ip.toUpperCase(), parsed.toNormalizedString()];
        if (parsed instanceof ipaddr.IPv6) {
          notations.push(parsed.parts.map((group) => group.toString(16).padStart(4, "0")).join(":"));
        }
        for (const text of notations) expect(parseIp(text)).toBe(ip);
        expect(familyOf(ip)).toBe(isIPv4(ip) ? 4 : 6);
        expect(isIPv6(ip)).toBe(familyOf(ip) === 6);
      }),
    );
  });
});

describe("bytes, numbers and order", () => {
  it("convert back and forth without loss", () => {
    fc.assert(
      fc.property(ip, (ip) => {
        expect(ipFromBytes(ipToBytes(ip))).toBe(ip);
        expect(ipFromBigInt(familyOf(ip), ipToBigInt(ip))).toBe(ip);
        expect(ipToBigInt(ip)).toBe(BigInt(`0x${Buffer.from(ipToBytes(ip)).toString("hex")}`));
        // A view into a larger buffer, as packet code has it.
        const packet = new Uint8Array(40);
        packet.set(ipToBytes(ip), 3);
        expect(ipFromBytes(packet.subarray(3, 3 + familyBits(familyOf(ip)) / 8))).toBe(ip);
      }),
      many,
    );
  });

  it("count as numbers do, and stop at both ends of the family", () => {
    fc.assert(
      fc.property(
        ip,
        fc.bigInt({ min: -(1n << 130n), max: 1n << 130n }),
        fc.boolean(),
        (ip, large, small) => {
          const delta = small ? large % 1000n : large;
          const sum = ipToBigInt(ip) + delta;
          const inside = sum >= 0n && sum < 1n << BigInt(familyBits(familyOf(ip)));
          if (inside) expect(ipToBigInt(ipAdd(ip, delta))).toBe(sum);
          else expect(() => ipAdd(ip, delta)).toThrow(expect.objectContaining({ code: "ADDR_OUT_OF_RANGE" }));
        },
      ),
    );
  });

  it("refuse fractions and numbers too large to be exact", () => {
    for (const delta of [0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      expect(() => ipAdd(parseIp("10.0.0.1"), delta)).toThrow(
        expect.objectContaining({ code: "ADDR_OUT_OF_RANGE" }),
      );
    }
    expect(() => ipFromBytes(new Uint8Array(5))).toThrow(
      expect.objectContaining({ code: "ADDR_INVALID_IP" }),
    );
  });

  it("order by family, then by number", () => {
    fc.assert(
      fc.property(ip, ip, (a, b) => {
        const [left, right] = [a, b].map((ip) => ipToBigInt(ip) + (familyOf(ip) === 6 ? 1n << 128n : 0n)) as [
          bigint,
          bigint,
        ];
        expect(Math.sign(compareIp(a, b))).toBe(left < right ? -1 : left > right ? 1 : 0);
      }),
      many,
    );
  });

  it("know link-local and loopback addresses", () => {
    const linkLocal = new BlockList();
    linkLocal.addSubnet("169.254.0.0", 16);
    linkLocal.addSubnet("fe80::", 10, "ipv6");
    const loopback = new BlockList();
    loopback.addSubnet("127.0.0.0", 8);
    loopback.addAddress("::1", "ipv6");
    const near = fc.constantFrom(
      "169.253.255.255",
      "169.254.0.0",
      "169.254.255.255",
      "169.255.0.0",
      "fe7f:ffff::",
      "fe80::",
      "febf:ffff::1",
      "fec0::",
      "126.255.255.255",
      "127.0.0.0",
      "127.255.255.255",
      "128.0.0.0",
      "::",
      "::1",
      "::2",
      "127::1",
    );
    fc.assert(
      fc.property(fc.oneof(ip, near.map(parseIp)), (ip) => {
        const type = familyOf(ip) === 4 ? "ipv4" : "ipv6";
        // BlockList takes a mapped address for the IPv4 one in it; here they are different addresses.
        fc.pre(!ip.startsWith("::ffff:"));
        expect(isLinkLocal(ip)).toBe(linkLocal.check(ip, type));
        expect(isLoopback(ip)).toBe(loopback.check(ip, type));
      }),
    );
  });

  it("refuse a text that only claims to be parsed", () => {
    for (const text of ["10.1", "x", "::g"]) {
      expect(() => ipToBytes(text as Ip)).toThrow(expect.objectContaining({ code: "ADDR_INVALID_IP" }));
    }
  });
});

describe("parseZonedIp()", () => {
  it("takes a zone after an IPv6 address and nowhere else", () => {
    expect(parseZonedIp("FE80::1%eth0.100")).toEqual({ ip: "fe80::1", zone: "eth0.100" });
    expect(parseZonedIp("10.0.0.1")).toEqual({ ip: "10.0.0.1" });
    for (const text of [
      "10.0.0.1%eth0",
      "fe80::1%",
      "fe80::1%a b",
      "fe80::1%a%b",
      `fe80::1%${"x".repeat(16)}`,
      "%eth0",
    ]) {
      expect(() => parseZonedIp(text), text).toThrow(expect.objectContaining({ code: "ADDR_INVALID_IP" }));
    }
  });
});

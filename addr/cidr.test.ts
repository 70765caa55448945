import { BlockList } from "node:net";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { describe, expect, it } from "vitest";
import {
  addressCount,
  addressOffset,
  type Cidr,
  cidrContains,
  cidrContainsCidr,
  cidrFamily,
  cidrFirst,
  cidrFromIp,
  cidrLast,
  cidrNth,
  cidrOverlaps,
  cidrPrefix,
  type Family,
  familyBits,
  familyOf,
  hostCidr,
  type Ip,
  ipAdd,
  ipFromBytes,
  ipToBigInt,
  parseCidr,
  parseIp,
  parseIpWithPrefix,
  subnetAt,
  subnetCount,
  subnets,
} from "./index.ts";

const outOfRange = expect.objectContaining({ code: "ADDR_OUT_OF_RANGE" });
const invalid = expect.objectContaining({ code: "ADDR_INVALID_CIDR" });
const many = { numRuns: 3000 };

function ipOf(family: Family): fc.Arbitrary<Ip> {
  const length = familyBits(family) / 8;
  // Few different bytes, so that two addresses often share a long prefix.
  return fc
    .array(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), { minLength: length, maxLength: length })
    .map((bytes) => ipFromBytes(Uint8Array.from(bytes)));
}
const family = fc.constantFrom<Family>(4, 6);
const ip = family.chain(ipOf);
function cidrOf(family: Family): fc.Arbitrary<Cidr> {
  return fc.tuple(ipOf(family), fc.nat(familyBits(family))).map(([ip, prefix]) => cidrFromIp(ip, prefix));
}
const cidr = family.chain(cidrOf);
/** A block and an address that is inside or just outside of it. */
const close = cidr.chain((cidr) =>
  fc.tuple(
    fc.constant(cidr),
    fc.oneof(
      ip,
      fc.bigInt(0n, addressCount(cidr) - 1n).map((offset) => cidrNth(cidr, offset)),
      fc.constantFrom(-1n, addressCount(cidr)).map((delta) => {
        const value = ipToBigInt(cidrFirst(cidr)) + delta;
        const end = 1n << BigInt(familyBits(cidrFamily(cidr)));
        return value < 0n || value >= end ? cidrFirst(cidr) : ipAdd(cidrFirst(cidr), delta);
      }),
    ),
  ),
);

describe("parseCidr()", () => {
  it("takes what it prints and nothing with bits beyond the prefix", () => {
    fc.assert(
      fc.property(ip, fc.nat(128), (ip, prefix) => {
        fc.pre(prefix <= familyBits(familyOf(ip)));
        const block = cidrFromIp(ip, prefix);
        expect(parseCidr(block)).toBe(block);
        expect(parseIpWithPrefix(`${ip}/${prefix}`)).toEqual({ ip, prefix });
        if (cidrFirst(block) === ip) expect(parseCidr(`${ip}/${prefix}`)).toBe(block);
        else expect(() => parseCidr(`${ip}/${prefix}`)).toThrow(`write ${block}`);
      }),
      many,
    );
  });

  it("normalises the address part", () => {
    expect(parseCidr("FD00:0:0::/48")).toBe("fd00::/48");
    expect(parseIpWithPrefix("FD00::0001/64")).toEqual({ ip: "fd00::1", prefix: 64 });
  });

  it.each([
    "",
    "/",
    "10.0.0.0",
    "10.0.0.0/",
    "/8",
    "10.0.0.0/33",
    "10.0.0.0/08",
    "10.0.0.0/+8",
    "10.0.0.0/8 ",
    "10.0.0.0/-1",
    "10.0.0.0/8/8",
    "10.0.0/8",
    "::/129",
    "::/1e1",
    "::/0x8",
    "10.0.0.0/255.0.0.0",
    "fe80::%eth0/64",
    "10.0.0.1/8",
  ])("refuses %j", (text) => {
    expect(() => parseCidr(text)).toThrow(invalid);
  });

  it("refuses any text at all with its own code", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.tuple(fc.string(), fc.nat(200)).map((parts) => parts.join("/")),
        ),
        (text) => {
          try {
            parseCidr(text);
          } catch (error) {
            expect(error).toEqual(invalid);
          }
        },
      ),
    );
  });
});

describe("a block", () => {
  it("begins and ends where ipaddr.js says", () => {
    fc.assert(
      fc.property(cidr, (cidr) => {
        const oracle = cidrFamily(cidr) === 4 ? ipaddr.IPv4 : ipaddr.IPv6;
        expect(parseIp(oracle.networkAddressFromCIDR(cidr).toString())).toBe(cidrFirst(cidr));
        expect(parseIp(oracle.broadcastAddressFromCIDR(cidr).toString())).toBe(cidrLast(cidr));
        expect(ipToBigInt(cidrLast(cidr)) - ipToBigInt(cidrFirst(cidr)) + 1n).toBe(addressCount(cidr));
      }),
      many,
    );
  });

  it("contains what node:net's BlockList and ipaddr.js say", () => {
    fc.assert(
      fc.property(close, ([cidr, ip]) => {
        const [address, prefix] = ipaddr.parseCIDR(cidr);
        const parsed = ipaddr.parse(ip);
        const same = address.kind() === parsed.kind();
        expect(cidrContains(cidr, ip)).toBe(same && parsed.match(address, prefix));
        // BlockList takes a mapped address for the IPv4 one in it, so it is asked within one family only.
        if (!same) return;
        const list = new BlockList();
        const type = cidrFamily(cidr) === 4 ? "ipv4" : "ipv6";
        list.addSubnet(cidrFirst(cidr), prefix, type);
        if (!ip.startsWith("::ffff:")) expect(list.check(ip, type)).toBe(cidrContains(cidr, ip));
      }),
      many,
    );
  });

  it("numbers its addresses: nth and offset undo each other, and outside of it both refuse", () => {
    fc.assert(
      fc.property(close, ([cidr, ip]) => {
        if (cidrContains(cidr, ip)) expect(cidrNth(cidr, addressOffset(cidr, ip))).toBe(ip);
        else expect(() => addressOffset(cidr, ip)).toThrow(outOfRange);
        expect(() => cidrNth(cidr, addressCount(cidr))).toThrow(outOfRange);
        expect(() => cidrNth(cidr, -1)).toThrow(outOfRange);
        expect(() => cidrNth(cidr, 0.5)).toThrow(outOfRange);
      }),
    );
  });

  it("contains another exactly when it holds its first and last address, and overlaps when either does", () => {
    const pair = fc.oneof(
      fc.tuple(cidr, cidr),
      family.chain((family) => fc.tuple(cidrOf(family), cidrOf(family))),
    );
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const contains = cidrContains(a, cidrFirst(b)) && cidrContains(a, cidrLast(b));
        expect(cidrContainsCidr(a, b)).toBe(contains);
        const apart =
          cidrFamily(a) !== cidrFamily(b) ||
          ipToBigInt(cidrLast(a)) < ipToBigInt(cidrFirst(b)) ||
          ipToBigInt(cidrLast(b)) < ipToBigInt(cidrFirst(a));
        expect(cidrOverlaps(a, b)).toBe(!apart);
        expect(cidrOverlaps(b, a)).toBe(!apart);
      }),
      many,
    );
  });

  it("of one address is a host block", () => {
    fc.assert(
      fc.property(ip, (ip) => {
        const block = hostCidr(ip);
        expect([cidrFirst(block), cidrLast(block), addressCount(block), parseCidr(block)]).toEqual([
          ip,
          ip,
          1n,
          block,
        ]);
      }),
    );
  });

  it("refuses prefix lengths that its family has not", () => {
    for (const prefix of [-1, 33, 8.5, Number.NaN]) {
      expect(() => cidrFromIp(parseIp("10.0.0.1"), prefix)).toThrow(outOfRange);
      expect(() => subnetCount(parseCidr("10.0.0.0/8"), prefix)).toThrow(outOfRange);
    }
  });
});

describe("subnets", () => {
  it("cut a block into equal blocks without gap or overlap", () => {
    fc.assert(
      fc.property(cidr, fc.nat(6), (cidr, cut) => {
        const prefix = Math.min(cidrPrefix(cidr) + cut, familyBits(cidrFamily(cidr)));
        const blocks = [...subnets(cidr, prefix)];
        expect(BigInt(blocks.length)).toBe(subnetCount(cidr, prefix));
        expect([cidrFirst(blocks[0] as Cidr), cidrLast(blocks.at(-1) as Cidr)]).toEqual([
          cidrFirst(cidr),
          cidrLast(cidr),
        ]);
        for (const [index, block] of blocks.entries()) {
          expect(parseCidr(block)).toBe(block);
          expect(cidrPrefix(block)).toBe(prefix);
          const next = blocks[index + 1];
          if (next) expect(ipAdd(cidrLast(block), 1)).toBe(cidrFirst(next));
        }
      }),
    );
  });

  it("are found by number also where they are too many to list", () => {
    const pool = parseCidr("fd00::/8");
    expect(subnetCount(pool, 122)).toBe(1n << 114n);
    expect(subnetAt(pool, 122, (1n << 114n) - 1n)).toBe("fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffc0/122");
    expect(() => subnetAt(pool, 122, 1n << 114n)).toThrow(outOfRange);
    expect(() => subnetAt(pool, 122, -1)).toThrow(outOfRange);
    expect(() => subnetAt(pool, 7, 0)).toThrow(outOfRange);
  });
});

import { describe, expect, test } from "vitest";
import { parseCidr, parseIp } from "../../addr/index.ts";
import { checkPlan, defaultBlockPrefix, defineNetwork, type NetworkSpec } from "./network.ts";
import { blocksFrom, isUsable, unusableIn, usableCount } from "./pool-layout.ts";

const define = (pool: NetworkSpec["pools"][number], rest: Partial<NetworkSpec> = {}) =>
  defineNetwork({ name: "web", pools: [pool], ...rest }, 1);
const poolOf = (spec: NetworkSpec["pools"][number]) => {
  const [pool] = define(spec).pools;
  if (!pool) throw new Error("no pool");
  return pool;
};

describe("defineNetwork() refuses", () => {
  const bad: readonly [string, NetworkSpec, RegExp][] = [
    ["an empty name", { name: "", pools: [{ cidr: "10.0.0.0/24" }] }, /the name must be/],
    ["a name with a slash", { name: "a/b", pools: [{ cidr: "10.0.0.0/24" }] }, /the name must be/],
    ["no pools", { name: "a", pools: [] }, /1-8 pools/],
    ["a pool with host bits", { name: "a", pools: [{ cidr: "10.0.0.1/24" }] }, /write 10.0.0.0\/24/],
    ["loopback", { name: "a", pools: [{ cidr: "127.1.0.0/24" }] }, /loopback/],
    ["link-local", { name: "a", pools: [{ cidr: "169.254.0.0/16" }] }, /link-local/],
    ["multicast", { name: "a", pools: [{ cidr: "239.0.0.0/8" }] }, /multicast/],
    ["everything", { name: "a", pools: [{ cidr: "0.0.0.0/0" }] }, /choose another range/],
    ["IPv6 link-local", { name: "a", pools: [{ cidr: "fe80::/64" }] }, /link-local/],
    ["IPv6 multicast", { name: "a", pools: [{ cidr: "ff02::/64" }] }, /multicast/],
    [
      "a block larger than its pool",
      { name: "a", pools: [{ cidr: "10.0.0.0/24", blockPrefix: 23 }] },
      /blockPrefix must be 24-32/,
    ],
    [
      "a block over 4096 addresses",
      { name: "a", pools: [{ cidr: "10.0.0.0/8", blockPrefix: 16 }] },
      /blockPrefix must be 20-32/,
    ],
    [
      "pools that overlap",
      { name: "a", pools: [{ cidr: "10.0.0.0/24" }, { cidr: "10.0.0.128/25" }] },
      /overlap/,
    ],
    [
      "a gateway outside",
      { name: "a", pools: [{ cidr: "10.0.0.0/24", gateway: "10.0.1.1" }] },
      /outside of pool/,
    ],
    [
      "an exclusion outside",
      { name: "a", pools: [{ cidr: "10.0.0.0/24", exclude: ["10.1.0.0/28"] }] },
      /outside of pool/,
    ],
    ["an MTU below IPv6's minimum", { name: "a", pools: [{ cidr: "10.0.0.0/24" }], mtu: 500 }, /MTU/],
  ];
  test.each(bad)("%s", (_name, spec, message) => {
    expect(() => defineNetwork(spec, 1)).toThrow(message);
  });
});

test("pools of two networks may not overlap, and the error names both", () => {
  const other = defineNetwork({ name: "db", pools: [{ cidr: "10.0.0.0/16" }] }, 1);
  expect(() => checkPlan(define({ cidr: "10.0.9.0/24" }), [other])).toThrow(
    /pool 10.0.9.0\/24 overlaps 10.0.0.0\/16 of network "db"/,
  );
});

test.each([
  ["10.0.0.0/8", 26],
  ["10.0.0.0/22", 26],
  ["10.0.0.0/24", 28],
  ["10.9.0.0/29", 32],
  ["10.9.0.0/32", 32],
  ["fd00::/64", 122],
  ["fd00::/120", 124],
])("a block of %s is /%i unless the operator says otherwise", (pool, prefix) => {
  expect(defaultBlockPrefix(parseCidr(pool))).toBe(prefix);
});

test.each([
  ["10.9.0.0/29", 6n],
  ["10.9.0.0/30", 2n],
  ["10.9.0.0/31", 2n],
  ["10.9.0.0/32", 1n],
  ["fd00::/126", 3n],
  ["fd00::/127", 2n],
])("%s hands out %s addresses", (cidr, size) => {
  expect(usableCount(poolOf({ cidr }))).toBe(size);
});

test("the edges of a pool, its gateway and excluded ranges are never handed out, edges of inner blocks are", () => {
  const pool = poolOf({
    cidr: "10.9.0.0/24",
    blockPrefix: 26,
    gateway: "10.9.0.1",
    exclude: ["10.9.0.64/30"],
  });
  expect(unusableIn(pool, parseCidr("10.9.0.0/26"))).toEqual(["10.9.0.0", "10.9.0.1"]);
  expect(unusableIn(pool, parseCidr("10.9.0.64/26"))).toHaveLength(4);
  expect(unusableIn(pool, parseCidr("10.9.0.128/26"))).toEqual([]);
  expect(isUsable(pool, parseIp("10.9.0.255"))).toBe(false);
  expect(isUsable(pool, parseIp("10.9.0.128"))).toBe(true);
  expect(usableCount(pool)).toBe(256n - 3n - 4n);
});

test("blocksFrom() gives each block outside of excluded ranges once, whatever the start", () => {
  const pool = poolOf({ cidr: "10.9.0.0/24", blockPrefix: 28, exclude: ["10.9.0.64/26"] });
  for (let start = 0n; start < 16n; start++) {
    const blocks = [...blocksFrom(pool, start)];
    expect(new Set(blocks).size).toBe(12);
    expect(blocks).toHaveLength(12);
  }
});

test("an excluded range of half an IPv6 pool costs one step", () => {
  const pool = poolOf({ cidr: "fd00::/64", exclude: ["fd00::/65"] });
  expect(blocksFrom(pool, 0n).next().value).toBe("fd00::8000:0:0:0/122");
});

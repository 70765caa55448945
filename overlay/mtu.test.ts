import { describe, expect, it } from "vitest";
import { parseIp } from "../addr/index.ts";
import { fabricMtu, outerFamily } from "./mtu.ts";

const ip4 = parseIp("192.0.2.1");
const ip6 = parseIp("2001:db8::1");

describe("fabricMtu", () => {
  it.each([
    ["IPv4 underlay", 1500, [ip4], 1450],
    ["both, where IPv4 carries the outer packets", 1500, [ip6, ip4], 1450],
    ["IPv6 underlay", 1500, [ip6], 1430],
    ["jumbo frames", 9001, [ip4], 8951],
    ["no address yet, so the larger header", 1500, [], 1430],
    ["an underlay too small for IPv6 inside", 1280, [ip4], 1280],
  ])("leaves room for the outer headers: %s", (_what, underlayMtu, underlay, mtu) => {
    expect(fabricMtu(underlayMtu, underlay)).toBe(mtu);
  });

  it("knows no outer family without an address", () => {
    expect(outerFamily([])).toBeUndefined();
  });
});

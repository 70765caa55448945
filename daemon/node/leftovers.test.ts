import { describe, expect, it } from "vitest";
import { parseCidr, parseIp, parseMac } from "../../addr/index.ts";
import type { Endpoint } from "../../plugins/index.ts";
import { leftovers, type Surroundings } from "./leftovers.ts";

const request = {
  containerId: "c1",
  ifname: "eth0",
  network: "web",
  origin: { plugin: "cni", name: "web" },
  form: { kind: "interface", netns: "/run/netns/c1" },
  addresses: [],
} as const;
const attached: Endpoint = {
  phase: "attached",
  request,
  createdAtMs: 0,
  addresses: [{ ip: parseIp("10.1.0.5"), pool: parseCidr("10.1.0.0/16") }],
  link: {
    containerId: "c1",
    ifname: "eth0",
    netns: "/run/netns/c1",
    hostIfname: "hd0123456789ab",
    mac: parseMac("02:00:00:00:00:01"),
    hostMac: parseMac("02:00:00:00:00:02"),
    mtu: 1450,
    addresses: [parseIp("10.1.0.5")],
    gateways: [],
  },
};
const alive: Surroundings = {
  isLeased: () => true,
  linkNames: new Set(["hd0123456789ab"]),
  netnsExists: () => true,
};

describe("leftovers()", () => {
  it.each<[string, Endpoint, Partial<Surroundings>, number]>([
    ["keeps a container that runs", attached, {}, 0],
    [
      "keeps one whose link was lost, as the overlay or a repeated ADD mends it",
      attached,
      { linkNames: new Set() },
      0,
    ],
    ["keeps one whose namespace has another path by now", attached, { netnsExists: () => false }, 0],
    [
      "finds one whose namespace and link are gone",
      attached,
      { netnsExists: () => false, linkNames: new Set() },
      1,
    ],
    ["finds one whose lease went with an earlier term", attached, { isLeased: () => false }, 1],
    [
      "leaves an interrupted attach to the runtime, which repeats or deletes it",
      { phase: "attaching", request, createdAtMs: 0 },
      {},
      0,
    ],
  ])("%s", (_what, endpoint, changed, count) => {
    expect(leftovers([endpoint], { ...alive, ...changed })).toHaveLength(count);
  });
});

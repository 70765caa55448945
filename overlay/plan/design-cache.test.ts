import { describe, expect, it } from "vitest";
import { type Ip, parseCidr, parseIp, parseMac, parseVni } from "../../addr/index.ts";
import type { RoutePath } from "../../kernel/index.ts";
import type { NodeDesired, RemoteNode } from "../desired.ts";
import type { NodeObserved } from "../observed/observed.ts";
import { designNode } from "./design.ts";
import { DesignCache } from "./design-cache.ts";

const remote: RemoteNode = {
  name: "n2",
  underlay: [parseIp("192.0.2.2")],
  vtepMac: parseMac("02:00:00:00:02:00"),
  vxlanPort: 4789,
  zone: "z",
  prefixes: [{ network: "web", cidr: parseCidr("10.1.2.0/26") }],
};
const desired: NodeDesired = {
  self: {
    name: "n1",
    underlay: [parseIp("192.0.2.1")],
    vtepMac: parseMac("02:00:00:00:01:00"),
    vni: parseVni(7272),
    vxlanPort: 4789,
    zone: "z",
  },
  networks: [
    { name: "web", pools: [parseCidr("10.1.0.0/16")], backend: "auto", masquerade: true, policy: "isolated" },
  ],
  remotes: [remote],
  endpoints: [],
};
const eth0 = {
  index: 2,
  name: "eth0",
  mtu: 1500,
  up: true,
  detail: { kind: "other", type: "device" },
} as const;
const onLink = new Map<Ip, RoutePath>([[parseIp("192.0.2.2"), { linkIndex: 2 }]]);
const observed: Omit<NodeObserved, "sysctls"> = {
  links: [eth0],
  addresses: [{ linkIndex: 2, ip: parseIp("192.0.2.1"), prefix: 24, scope: 0 }],
  rows: new Map(),
  foreign: new Map(),
  paths: onLink,
};
const behindRouter = new Map<Ip, RoutePath>([
  [parseIp("192.0.2.2"), { linkIndex: 2, via: parseIp("192.0.2.254") }],
]);

describe("DesignCache", () => {
  it("answers the very same design while all that it reads is the same", () => {
    const cache = new DesignCache();
    const first = cache.design(desired, observed);
    expect(cache.design({ ...desired, endpoints: [] }, structuredCloneOf(observed))).toBe(first);
  });

  it.each<[string, Partial<NodeDesired>, Partial<typeof observed>]>([
    ["a remote", { remotes: [] }, {}],
    ["a network", { networks: [] }, {}],
    ["this node", { self: { ...desired.self, underlay: [parseIp("192.0.2.9")] } }, {}],
    ["a path", {}, { paths: behindRouter }],
    ["a link", {}, { links: [{ ...eth0, name: "eth1" }] }],
    ["an address", {}, { addresses: [] }],
    ["a foreign route", {}, { foreign: new Map([[parseCidr("10.1.2.0/26"), 0]]) }],
  ])("designs anew when %s changes", (_what, wanted, seen) => {
    const cache = new DesignCache();
    const before = cache.design(desired, observed);
    const after = cache.design({ ...desired, ...wanted }, { ...observed, ...seen });
    expect(after).toEqual(designNode({ ...desired, ...wanted }, { ...observed, ...seen }));
    expect(after).not.toEqual(before);
  });
});

/** The same content in new arrays and maps, but for the paths, which compare by identity. */
function structuredCloneOf(of: typeof observed): typeof observed {
  return { ...structuredClone(of), paths: of.paths };
}

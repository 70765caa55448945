import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Cidr, cidrFromIp, cidrOverlaps, parseCidr, parseIp, parseMac } from "../../addr/index.ts";
import type { NodeRecord } from "../../registry/index.ts";
import { emptyFabricView, type FabricView } from "../node/fabric-view.ts";
import { Standpoints } from "./standpoints.ts";

interface Spec {
  readonly zone: string;
  readonly underlay: readonly string[];
  readonly prefixes?: readonly string[];
}

function view(specs: Readonly<Record<string, Spec>>): FabricView {
  const nodes = Object.entries(specs).map(([name, { zone, underlay }]): [string, NodeRecord] => [
    name,
    {
      name,
      id: name,
      address: parseIp(underlay[0] ?? "10.9.9.9"),
      datacenter: "dc1",
      meta: {},
      taggedAddresses: {},
      fabric: {
        zone,
        underlay: underlay.map(parseIp),
        vtepMac: parseMac("02:00:00:00:00:01"),
        vxlanPort: 4789,
        epoch: 1,
      },
    },
  ]);
  const prefixes = Object.entries(specs).map(
    ([name, { prefixes = [] }]) =>
      [name, prefixes.map((cidr) => ({ network: "default", cidr: parseCidr(cidr) }))] as const,
  );
  return { ...emptyFabricView, nodes: new Map(nodes), prefixes: new Map(prefixes) };
}

const fabric = view({
  a: { zone: "z1", underlay: ["192.168.1.1", "fd00::1"], prefixes: ["10.0.0.0/26", "10.0.0.70/32"] },
  b: { zone: "z1", underlay: ["192.168.1.2"], prefixes: ["10.0.0.64/26"] },
  c: { zone: "z2", underlay: ["192.168.2.1"], prefixes: ["10.0.1.0/26"] },
});

describe("whereIs()", () => {
  test.each([
    ["10.0.0.5/32", { node: "a", zone: "z1" }],
    ["192.168.1.0/30", { zone: "z1" }],
    ["10.0.0.0/24", { zone: "z1" }],
    ["10.0.0.70/32", { zone: "z1" }],
    ["10.0.0.71/32", { node: "b", zone: "z1" }],
    ["10.0.0.0/23", undefined],
    ["10.0.1.0/24", { node: "c", zone: "z2" }],
    ["fd00::/64", { node: "a", zone: "z1" }],
    ["172.16.0.0/12", undefined],
    ["0.0.0.0/0", undefined],
  ])("%s is at %j", (subnet, expected) => {
    expect(new Standpoints(() => fabric).whereIs(parseCidr(subnet))).toEqual(expected);
  });

  test("follows the fabric's view", () => {
    let current = emptyFabricView;
    const standpoints = new Standpoints(() => current);
    expect(standpoints.whereIs(parseCidr("10.0.0.5/32"))).toBeUndefined();
    current = fabric;
    expect(standpoints.whereIs(parseCidr("10.0.0.5/32"))).toEqual({ node: "a", zone: "z1" });
  });

  test("agrees with a look at every prefix", () => {
    const cidr = fc
      .tuple(fc.nat(255), fc.integer({ min: 20, max: 32 }))
      .map(([last, prefix]): Cidr => cidrFromIp(parseIp(`10.0.0.${last}`), prefix));
    const held = fc.array(fc.record({ cidr, node: fc.constantFrom("n1", "n2", "n3") }), { maxLength: 8 });
    fc.assert(
      fc.property(held, cidr, (prefixes, subnet) => {
        const zones: Record<string, string> = { n1: "z1", n2: "z1", n3: "z2" };
        const specs = Object.fromEntries(
          Object.entries(zones).map(([name, zone]) => {
            const own = prefixes.filter(({ node }) => node === name).map((one): string => one.cidr);
            return [name, { zone, underlay: [], prefixes: own }];
          }),
        );
        const over = prefixes.filter((one) => cidrOverlaps(one.cidr, subnet));
        const nodes = [...new Set(over.map(({ node }) => node))];
        const inZones = new Set(nodes.map((node) => zones[node]));
        const [zone] = inZones;
        const expected =
          inZones.size !== 1 ? undefined : nodes.length === 1 ? { node: nodes[0], zone } : { zone };
        expect(new Standpoints(() => view(specs)).whereIs(subnet)).toEqual(expected);
      }),
    );
  });
});

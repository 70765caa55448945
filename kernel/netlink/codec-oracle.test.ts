/** The codec of the npm package `netlink` reads what ours writes. */
import { createRequire } from "node:module";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cidrFromIp, type Ip, ipFromBytes, ipToBytes, macFromBytes, macToBytes } from "../../addr/index.ts";
import { writeAddress } from "./address-codec.ts";
import { writeLinkChange, writeLinkSpec } from "./link-codec.ts";
import { MessageWriter } from "./message-writer.ts";
import { writeNeighbour } from "./neighbour-codec.ts";
import { readRoute, writeRoute } from "./route-codec.ts";

interface Parsed {
  readonly data: Record<string, unknown>;
  readonly attrs: Record<string, unknown>;
}
type Parse = (bytes: Buffer) => Parsed;

const structs = createRequire(import.meta.url)("netlink/dist/rt/structs") as Record<string, Parse>;

function oracle(kind: string, write: (writer: MessageWriter) => void): Parsed {
  const parse = structs[`parse${kind}Message`];
  if (!parse) throw new Error(`the oracle knows no ${kind}`);
  return parse(written(write));
}

function written(write: (writer: MessageWriter) => void): Buffer {
  const writer = new MessageWriter();
  write(writer);
  return Buffer.from(writer.bytes);
}

const bytesOf = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const anyIp = fc.oneof(bytesOf(4), bytesOf(16)).map(ipFromBytes);
const anyMac = bytesOf(6).map(macFromBytes);
const anyIndex = fc.integer({ min: 1, max: 0x7fffffff });
const bits = (ip: Ip) => ipToBytes(ip).length * 8;
const familyOf = (ip: Ip) => (bits(ip) === 32 ? 2 : 10);
const buffer = (bytes: Uint8Array) => Buffer.from(bytes);

describe("the oracle reads back", () => {
  test("an address", () => {
    fc.assert(
      fc.property(anyIp, anyIndex, fc.nat({ max: 254 }), (ip, linkIndex, scope) => {
        const { data, attrs } = oracle("Address", (w) =>
          writeAddress(w, { linkIndex, ip, prefix: 7 }, scope),
        );
        expect(data).toMatchObject({ family: familyOf(ip), prefixlen: 7, scope, index: linkIndex });
        expect(attrs).toMatchObject({ local: buffer(ipToBytes(ip)), address: buffer(ipToBytes(ip)) });
      }),
    );
  });

  test("a neighbour", () => {
    fc.assert(
      fc.property(anyIp, anyIndex, anyMac, (ip, linkIndex, mac) => {
        const row = { linkIndex, ip, mac, permanent: true };
        const { data, attrs } = oracle("Neighbor", (w) => writeNeighbour(w, row));
        expect(data).toMatchObject({ family: familyOf(ip), ifindex: linkIndex, state: { permanent: true } });
        expect(attrs).toEqual({ dst: buffer(ipToBytes(ip)), lladdr: buffer(macToBytes(mac)) });
      }),
    );
  });

  test("a route, and so do we", () => {
    const mtu = fc.integer({ min: 68, max: 65535 });
    const metric = fc.integer({ min: 1, max: 1000 });
    const table = fc.integer({ min: 1, max: 0xffffffff });
    fc.assert(
      fc.property(anyIp, anyIndex, mtu, metric, table, (via, linkIndex, mtu, metric, table) => {
        const to = cidrFromIp(via, bits(via) - 8);
        const route = { to, type: "unicast", via, linkIndex, protocol: 72, table, metric, mtu } as const;
        const { data, attrs } = oracle("Route", (w) => writeRoute(w, route, "put"));
        expect(data).toMatchObject({
          family: familyOf(via),
          dstLen: bits(via) - 8,
          protocol: 72,
          type: "UNICAST",
        });
        expect(attrs).toMatchObject({
          table,
          priority: metric,
          oif: linkIndex,
          gateway: buffer(ipToBytes(via)),
        });
        expect(readRoute(written((w) => writeRoute(w, route, "put")))).toEqual(route);
      }),
    );
  });

  test("a change of a link", () => {
    fc.assert(
      fc.property(anyIndex, anyMac, fc.nat({ max: 65535 }), fc.boolean(), (index, mac, mtu, up) => {
        const { data, attrs } = oracle("Link", (w) => writeLinkChange(w, index, { mac, mtu, up, group: 9 }));
        expect(data).toMatchObject({ index, flags: up ? { up: true } : {}, change: { up: true } });
        expect(attrs).toEqual({ address: buffer(macToBytes(mac)), mtu, group: 9 });
      }),
    );
  });

  test("a pair with its other end", () => {
    const spec = { kind: "veth", name: "hd1", peer: { name: "eth0" } } as const;
    const { attrs } = oracle("Link", (w) => writeLinkSpec(w, spec, 33));
    expect(attrs["ifname"]).toBe("hd1");
    const peer = (attrs["linkinfo"] as Buffer).subarray(20);
    expect(structs["parseLinkMessage"]?.(peer).attrs).toMatchObject({ ifname: "eth0", netNsFd: 33 });
  });
});

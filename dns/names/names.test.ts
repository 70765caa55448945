/** The grammar of names, as a table. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, ipFromBytes, parseCidr, reverseName } from "../../addr/index.ts";
import { type ConsulName, domainOf, parseConsulName, parseReverseName, reverseZone } from "./index.ts";

const service = (
  name: string,
  tag?: string,
  datacenter?: string,
  more: { readonly port?: string; readonly label?: string } = {},
): ConsulName => ({
  kind: "service",
  name,
  ...(tag !== undefined && { tag }),
  ...more,
  datacenter,
});
const empty = (datacenter?: string): ConsulName => ({ kind: "empty", datacenter });
const none: ConsulName = { kind: "none" };

describe("Consul's grammar", () => {
  const cases: readonly (readonly [string, ConsulName])[] = [
    ["", { kind: "apex" }],
    ["ns", { kind: "nameserver" }],
    ["web.service", service("web")],
    ["web.service.dc2", service("web", undefined, "dc2")],
    ["web.service.dc2.dc", service("web", undefined, "dc2")],
    ["web.service.other.peer", none],
    ["web.service.a.b.c", none],
    ["v1.web.service", service("web", "v1")],
    ["v1.2.web.service", service("web", "v1.2")],
    ["node.service", service("node")],
    ["service.service", service("service")],
    ["_web._tcp.service", service("web")],
    ["_web._udp.service", service("web", undefined, undefined, { label: "udp" })],
    ["_web._v1.service.dc2", service("web", undefined, "dc2", { label: "v1" })],
    ["_web._tcp", service("web")],
    ["_web._v1.dc2", service("web", undefined, "dc2", { label: "v1" })],
    ["http.port.web.service", service("web", undefined, undefined, { port: "http" })],
    ["http.port.v1.2.web.service.dc2", service("web", "v1.2", "dc2", { port: "http" })],
    ["_http._tcp.web.service", service("web", undefined, undefined, { port: "http" })],
    ["_http._udp.v1.web.service", service("web", "v1", undefined, { port: "http" })],
    ["_http._sctp.web.service", service("web", "_http._sctp")],
    ["port.web.service", service("web", "port")],
    ["http.port.service", service("port", "http")],
    ["_tcp.web.service", empty()],
    ["_tcp.service", empty()],
    ["service", empty()],
    ["service.dc2", empty("dc2")],
    ["dc2", empty("dc2")],
    ["n1.node", { kind: "node", name: "n1", datacenter: undefined }],
    ["n1.rack.example.node.dc2", { kind: "node", name: "n1.rack.example", datacenter: "dc2" }],
    ["0a000001.addr", { kind: "address", ip: "10.0.0.1" as Ip, datacenter: undefined }],
    [`fd${"0".repeat(29)}1.addr.dc2`, { kind: "address", ip: "fd00::1" as Ip, datacenter: "dc2" }],
    ["web.shop.docker", { kind: "container", name: "web", network: "shop", datacenter: undefined }],
    ["db.v1.shop.docker.dc2", { kind: "container", name: "db.v1", network: "shop", datacenter: "dc2" }],
    ["docker.service", service("docker")],
    ["shop.docker", empty()],
    ["docker", empty()],
    ["0a0000.addr", none],
    ["x.0a000001.addr", none],
    ["name.query", { kind: "query", name: "name", datacenter: undefined }],
    ["geo.name.query.dc2", { kind: "query", name: "geo.name", datacenter: "dc2" }],
    ["_name._tcp.query", { kind: "query", name: "name", datacenter: undefined }],
    ["query", { kind: "empty", datacenter: undefined }],
    ["web.virtual", none],
    ["web.ingress", none],
    ["web.connect", none],
    ["a.b.c", none],
  ];
  test.each(cases)("%s", (text, expected) => {
    expect(parseConsulName(text === "" ? [] : text.split("."))).toEqual(expected);
  });

  test("the domain with the most labels wins", () => {
    const domains = ["consul", "eu.consul", "heddle"];
    expect(domainOf(["a", "eu", "consul"], domains)).toBe("eu.consul");
    expect(domainOf(["consul"], domains)).toBe("consul");
    expect(domainOf(["notconsul"], domains)).toBeUndefined();
    expect(domainOf([], domains)).toBeUndefined();
  });
});

describe("reverse names", () => {
  test("give the address that they were made of", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    fc.assert(
      fc.property(bytes.map(ipFromBytes), (ip) => {
        expect(parseReverseName(reverseName(ip).split("."))).toBe(ip);
      }),
    );
  });

  test.each([
    "in-addr.arpa",
    "1.10.in-addr.arpa",
    "1.2.3.4.5.in-addr.arpa",
    "01.2.3.4.in-addr.arpa",
    "256.2.3.4.in-addr.arpa",
    "1.2.3.4.ip6.arpa",
    "1.2.3.4.example",
  ])("%s is no address", (name) => {
    expect(parseReverseName(name.split("."))).toBeUndefined();
  });

  test.each([
    ["10.1.0.0/16", "1.10.in-addr.arpa"],
    ["10.1.16.0/20", "1.10.in-addr.arpa"],
    ["10.1.2.0/24", "2.1.10.in-addr.arpa"],
    ["fd00:1234::/32", "4.3.2.1.0.0.d.f.ip6.arpa"],
  ])("the zone of %s is %s", (pool, zone) => {
    expect(reverseZone(parseCidr(pool))).toBe(zone);
  });
});

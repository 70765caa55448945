/** Operations in the words of ip(8). */
import { expect, test } from "vitest";
import { type Mac, parseCidr, parseIp } from "../addr/index.ts";
import { describeOperation } from "./describe-operation.ts";
import type { KernelOperation } from "./operation.ts";

const mac = "02:00:00:00:00:01" as Mac;
const ip = parseIp("10.0.0.1");
const block = parseCidr("10.1.0.0/16");

const cases: readonly [KernelOperation, string][] = [
  [
    {
      op: "link.create",
      link: {
        kind: "veth",
        name: "hd1",
        up: true,
        alias: "heddle:a",
        peer: { name: "eth0", netns: "/run/netns/c1" },
      },
    },
    "ip link add name hd1 up alias heddle:a type veth peer name eth0 netns /run/netns/c1",
  ],
  [
    {
      op: "link.create",
      link: {
        kind: "vxlan",
        name: "heddle0",
        mac,
        mtu: 1450,
        vni: 7272,
        port: 4789,
        local: ip,
        underlayIndex: 2,
        learning: false,
      },
    },
    "ip link add name heddle0 address 02:00:00:00:00:01 mtu 1450 type vxlan id 7272 dstport 4789 local 10.0.0.1 dev if2 nolearning",
  ],
  [{ op: "link.change", link: 7, change: { masterIndex: 0, up: false } }, "ip link set seven nomaster down"],
  [{ op: "link.delete", link: "hd1" }, "ip link del hd1"],
  [
    { op: "address.put", link: "hd1", ip: parseIp("fd00::1"), prefix: 128 },
    "ip address replace fd00::1/128 dev hd1 nodad",
  ],
  [
    { op: "address.delete", link: "hd1", ip, prefix: 32, scope: 253 },
    "ip address del 10.0.0.1/32 dev hd1 scope 253",
  ],
  [
    {
      op: "route.put",
      route: {
        to: block,
        type: "unicast",
        via: ip,
        link: 7,
        onlink: true,
        protocol: 72,
        table: 254,
        mtu: 1400,
      },
    },
    "ip route replace 10.1.0.0/16 via 10.0.0.1 dev seven proto 72 mtu 1400 onlink",
  ],
  [
    {
      op: "route.put",
      route: { to: block, type: "unicast", via: parseIp("fe80::1"), link: 7, protocol: 72, table: 9 },
    },
    "ip route replace 10.1.0.0/16 via inet6 fe80::1 dev seven proto 72 table 9",
  ],
  [
    {
      op: "route.delete",
      route: { to: parseCidr("fd00::/8"), type: "unreachable", protocol: 72, table: 254, metric: 9 },
    },
    "ip -6 route del unreachable fd00::/8 proto 72 metric 9",
  ],
  [
    {
      op: "rule.put",
      rule: { family: 4, priority: 5, to: block, fwmark: 0x72, fwmask: 0xff, table: 9, protocol: 72 },
    },
    "ip rule add priority 5 from all to 10.1.0.0/16 fwmark 0x72/0xff table 9 protocol 72",
  ],
  [
    { op: "rule.delete", rule: { family: 6, priority: 5, table: 9, protocol: 72 } },
    "ip -6 rule del priority 5 from all table 9 protocol 72",
  ],
  [
    { op: "neighbour.put", neighbour: { link: 7, ip, mac, permanent: true } },
    "ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 nud permanent dev seven",
  ],
  [
    { op: "neighbour.put", neighbour: { link: 7, ip, permanent: false, proxy: true } },
    "ip neigh replace proxy 10.0.0.1 dev seven",
  ],
  [
    { op: "neighbour.delete", neighbour: { link: 7, ip, permanent: true } },
    "ip neigh del 10.0.0.1 dev seven",
  ],
  [
    { op: "fdb.put", entry: { link: 7, mac, destination: ip, permanent: true } },
    "bridge fdb replace 02:00:00:00:00:01 dev seven dst 10.0.0.1 self permanent",
  ],
  [
    { op: "fdb.delete", entry: { link: 7, mac, permanent: true } },
    "bridge fdb del 02:00:00:00:00:01 dev seven master",
  ],
  [
    { op: "sysctl.put", path: ["ipv4", "conf", "eth0.5", "rp_filter"], value: "0" },
    "sysctl -w net/ipv4/conf/eth0.5/rp_filter=0",
  ],
];

test.each(cases)("describeOperation(%j) is %j", (operation, text) => {
  expect(describeOperation(operation, (index) => (index === 7 ? "seven" : undefined))).toBe(text);
});

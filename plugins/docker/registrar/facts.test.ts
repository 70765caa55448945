/** Inspections as Docker Engine 20.10 and 28 write them, and what is no inspection. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, parseIp } from "../../../addr/index.ts";
import { portOf, readFacts } from "./facts.ts";
import { signalNumber } from "./stop-signal.ts";

const limits = { namesMax: 4, outputBytesMax: 10 };
const inShop = (ip: Ip) => (ip === "10.1.0.5" ? "shop" : undefined);

const inspection = {
  Id: "c0ffee000000aaaabbbb",
  Name: "/Web-1",
  State: {
    Running: true,
    Paused: false,
    Pid: 42,
    StartedAt: "2026-01-02T03:04:05.678901234Z",
    Health: { Status: "healthy", Log: [{ Output: "first" }, { Output: "fine, and more" }] },
  },
  Config: {
    Image: "nginx:1",
    Labels: { "heddle.service": "web" },
    Env: ["SERVICE_TAGS=a=b", "EMPTY=", "nonsense"],
    ExposedPorts: { "80/tcp": {}, "53/udp": {}, "9/sctp": {} },
    StopSignal: "SIGQUIT",
  },
  HostConfig: { NetworkMode: "shop" },
  NetworkSettings: {
    Ports: { "80/tcp": [{ HostIp: "0.0.0.0", HostPort: "8080" }], "53/udp": null },
    Networks: {
      shop: { IPAddress: "10.1.0.5", GlobalIPv6Address: "", Aliases: ["web", "Web"], DNSNames: null },
      bridge: { IPAddress: "172.17.0.2", GlobalIPv6Address: "", Aliases: null },
    },
  },
};

describe("an inspection", () => {
  test("is read for what a service and a name need", () => {
    expect(readFacts(inspection, inShop, limits)).toEqual({
      id: inspection.Id,
      name: "Web-1",
      image: "nginx:1",
      paused: false,
      startedMs: Date.parse("2026-01-02T03:04:05.678Z"),
      pid: 42,
      stopSignal: 3,
      health: { status: "healthy", output: "fine, and " },
      labels: { "heddle.service": "web" },
      environment: { SERVICE_TAGS: "a=b", EMPTY: "" },
      exposed: [
        { number: 80, protocol: "tcp" },
        { number: 53, protocol: "udp" },
      ],
      published: [{ number: 80, protocol: "tcp", hostAddress: "", hostPort: 8080 }],
      onHostNetwork: false,
      attachments: [
        { network: "shop", addresses: [parseIp("10.1.0.5")], names: ["web-1", "web", "c0ffee000000"] },
      ],
    });
  });

  test("has no more names than are allowed", () => {
    const Aliases = Array.from({ length: 9 }, (_, at) => `a${at}`);
    const Networks = { shop: { IPAddress: "10.1.0.5", Aliases } };
    const many = { ...inspection, NetworkSettings: { Ports: {}, Networks } };
    expect(readFacts(many, inShop, limits)?.attachments[0]?.names).toEqual(["web-1", "a0", "a1", "a2"]);
  });

  test("of a container that does not run, or is not there, is none", () => {
    const ended = { ...inspection, State: { ...inspection.State, Running: false } };
    expect(readFacts(ended, inShop, limits)).toBeUndefined();
    expect(readFacts(undefined, inShop, limits)).toBeUndefined();
  });

  test("with odd parts loses those parts only", () => {
    const odd = {
      ...inspection,
      Config: { ...inspection.Config, Labels: { a: 1 }, Env: "x", ExposedPorts: [], StopSignal: 3 },
      NetworkSettings: { Ports: "none", Networks: null },
    };
    expect(readFacts(odd, inShop, limits)).toMatchObject({
      name: "Web-1",
      labels: {},
      exposed: [],
      stopSignal: 15,
    });
  });

  test("is never an error, whatever it is", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => void readFacts(value, inShop, limits)));
  });
});

test.each([
  ["80", [{ number: 80, protocol: "tcp" }]],
  ["53/udp", [{ number: 53, protocol: "udp" }]],
  ["0", []],
  ["65536", []],
  ["80/sctp", []],
  ["http", []],
])("port %s", (text, expected) => {
  expect(portOf(text)).toEqual(expected);
});

test.each([
  ["SIGTERM", 15],
  ["quit", 3],
  ["9", 9],
  ["", 15],
  ["SIGNONSENSE", 15],
])("stop signal %j is %i", (text, expected) => {
  expect(signalNumber(text)).toBe(expected);
});

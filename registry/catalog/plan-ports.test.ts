/** What several ports of an instance must be, and what they become. */
import { expect, test } from "vitest";
import { defaultAgentLimits } from "../agent/definition.ts";
import { decodeService, encodeService } from "../codec.ts";
import type { NamedPort } from "../model.ts";
import { planPorts } from "./plan-ports.ts";
import { planService } from "./plan-registration.ts";

const plan = (ports: readonly NamedPort[], port = 0) =>
  planPorts("register", { port, ports }, { ...defaultAgentLimits, portsMax: 3 });
const at = (name: string, port: number, isDefault = false): NamedPort => ({ name, port, isDefault });

test("the default is the instance's port, and the first is it where none says so", () => {
  expect(plan([at("http", 80), at("grpc", 90, true)]).port).toBe(90);
  expect(plan([at("http", 80), at("grpc", 90)])).toEqual({
    port: 80,
    ports: [at("http", 80, true), at("grpc", 90)],
  });
  expect(plan([], 7)).toEqual({ port: 7 });
});

test("two names may have one number", () => {
  const both = [at("http", 80, true), at("metrics", 80)];
  expect(plan(both)).toEqual({ port: 80, ports: both });
});

test("a port beside the list is taken when it repeats the default", () => {
  expect(plan([at("http", 80), at("grpc", 90, true)], 90).port).toBe(90);
  expect(() => plan([at("http", 80), at("grpc", 90, true)], 80)).toThrow("both Port 80 and Ports");
});

test.each<[string, readonly NamedPort[], string]>([
  ["two defaults", [at("a", 1, true), at("b", 2, true)], "more than one of its ports is the default"],
  [
    "two of one name, whatever the case",
    [at("http", 1), at("HTTP", 2)],
    'two of its ports are called "HTTP"',
  ],
  ["no name", [at("", 1)], 'a port is called ""'],
  ["a name with a dot", [at("a.b", 1)], "a port is called"],
  ["a name as RFC 2782 writes labels", [at("_http", 1)], "a port is called"],
  ["a name that no label can hold", [at("a".repeat(64), 1)], "a port is called"],
  ["no number", [at("http", 0)], "port 0 is not a whole number from 1 to 65535"],
  ["a number beyond 16 bits", [at("http", 65_536)], "port 65536 is not"],
  ["more than the limit", [1, 2, 3, 4].map((n) => at(`p${n}`, n)), "it has 4 ports, at most 3"],
])("%s is refused", (_, ports, text) => {
  expect(() => plan(ports)).toThrow(text);
});

test("the record comes back from its bytes as it was, with and without several", () => {
  for (const ports of [[], [at("http", 80, true), at("grpc", 90)]]) {
    const { service } = planService("n1", { name: "web", ports }, defaultAgentLimits);
    expect(decodeService(encodeService(service))).toEqual(service);
  }
});

import { expect, test } from "vitest";
import { BodyFields } from "./body-fields.ts";
import { readCheck, readService } from "./service-body.ts";

const service = (body: object) => readService(BodyFields.of(body, ""));
const check = (body: object) => readCheck(BodyFields.of(body, ""));

test("a field that nobody knows is refused by its name, in a service and in a check", () => {
  expect(() => service({ Name: "web", Chekc: { TTL: "1s" } })).toThrow('json: unknown field "Chekc"');
  expect(() => check({ Name: "up", TTL: "1s", Intervall: "2s" })).toThrow('json: unknown field "Intervall"');
  expect(() => service({ name: "web", check: { ttl: "1s", htpp: "x" } })).toThrow(
    'json: unknown field "htpp"',
  );
});

test("what an answer shows can be sent back, and what other kinds of checks take may be empty", () => {
  const answer = {
    ...{
      ID: "web1",
      Service: "web",
      Name: "web",
      Tags: [],
      Meta: {},
      Port: 80,
      Address: "",
      Namespace: "default",
    },
    ...{ Weights: { Passing: 1, Warning: 1 }, EnableTagOverride: false, CreateIndex: 1, ModifyIndex: 2 },
    ...{ ContentHash: "00", Datacenter: "dc1", TaggedAddresses: {} },
  };
  expect(service(answer)).toMatchObject({ id: "web1", name: "web", port: 80 });
  expect(
    check({ Name: "up", TTL: "1s", HTTP: "", Shell: "", TLSServerName: "", tls_skip_verify: false }),
  ).toMatchObject({ name: "up", probe: { kind: "ttl" } });
});

test("several ports are read in any case, and a field that no port has is refused", () => {
  const Ports = [{ Name: "http", Port: 80, Default: true }, { name: "metrics", port: 90 }, null];
  expect(service({ Name: "web", Port: 80, Ports })).toMatchObject({
    port: 80,
    ports: [
      { name: "http", port: 80, isDefault: true },
      { name: "metrics", port: 90, isDefault: false },
    ],
  });
  expect(service({ Name: "web", Ports: null }).ports).toEqual([]);
  expect(() => service({ Name: "web", ports: [{ name: "http", port: 80, proto: "tcp" }] })).toThrow(
    'json: unknown field "proto"',
  );
});

test("a check that says nothing is none", () => {
  expect(service({ Name: "web", Check: {}, Checks: [{}, { TTL: "1s" }] }).checks).toHaveLength(1);
});

/** Labels and variables: both dialects, as a table, and what no text may do. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readFields } from "./fields.ts";

type Shown = readonly [common: Record<string, string>, byPort: Record<string, Record<string, string>>];

function show(labels: Record<string, string>, environment: Record<string, string> = {}): Shown {
  const { common, byPort } = readFields(labels, environment);
  return [
    Object.fromEntries(common),
    Object.fromEntries([...byPort].map(([port, fields]) => [port, Object.fromEntries(fields)])),
  ];
}

describe("Heddle's labels", () => {
  const cases: readonly (readonly [string, Record<string, string>, Shown])[] = [
    ["one service", { "heddle.service": "web" }, [{ name: "web" }, {}]],
    ["a service by port", { "heddle.service.80": "web" }, [{}, { "80/tcp": { name: "web" } }]],
    ["a service by UDP port", { "heddle.service.53/udp": "dns" }, [{}, { "53/udp": { name: "dns" } }]],
    ["a field of one port", { "heddle.service.80.tags": "a" }, [{}, { "80/tcp": { tags: "a" } }]],
    [
      "a check of one port",
      { "heddle.service.80.check.http": "/up" },
      [{}, { "80/tcp": { "check.http": "/up" } }],
    ],
    ["meta keeps its case", { "heddle.meta.Rack": "a7" }, [{ "meta.Rack": "a7" }, {}]],
    ["an unknown field", { "heddle.servce": "web" }, [{}, {}]],
    ["a port that is none", { "heddle.service.0": "web", "heddle.service.70000": "x" }, [{}, {}]],
    ["labels of others", { "com.example.service": "web", heddle: "x" }, [{}, {}]],
  ];
  test.each(cases)("%s", (_name, labels, expected) => {
    expect(show(labels)).toEqual(expected);
  });

  test("a label that means nothing is named", () => {
    expect(readFields({ "heddle.servce": "web", "heddle.service.0": "x" }, {}).unknown).toEqual([
      "heddle.servce",
      "heddle.service.0",
    ]);
  });
});

describe("Registrator's names", () => {
  const cases: readonly (readonly [string, Record<string, string>, Shown])[] = [
    ["SERVICE_NAME", { SERVICE_NAME: "web" }, [{ name: "web" }, {}]],
    [
      "SERVICE_ID and SERVICE_TAGS",
      { SERVICE_ID: "w1", SERVICE_TAGS: "a,b" },
      [{ id: "w1", tags: "a,b" }, {}],
    ],
    ["SERVICE_80_NAME", { SERVICE_80_NAME: "web" }, [{}, { "80/tcp": { name: "web" } }]],
    ["SERVICE_IGNORE", { SERVICE_IGNORE: "true" }, [{ ignore: "true" }, {}]],
    ["SERVICE_CHECK_HTTP", { SERVICE_CHECK_HTTP: "/up" }, [{ "check.http": "/up" }, {}]],
    ["SERVICE_80_CHECK_HTTP", { SERVICE_80_CHECK_HTTP: "/up" }, [{}, { "80/tcp": { "check.http": "/up" } }]],
    ["SERVICE_CHECK_INTERVAL", { SERVICE_CHECK_INTERVAL: "15s" }, [{ "check.interval": "15s" }, {}]],
    ["SERVICE_CHECK_TIMEOUT", { SERVICE_CHECK_TIMEOUT: "1s" }, [{ "check.timeout": "1s" }, {}]],
    ["SERVICE_CHECK_TTL", { SERVICE_CHECK_TTL: "30s" }, [{ "check.ttl": "30s" }, {}]],
    ["SERVICE_CHECK_TCP", { SERVICE_CHECK_TCP: "true" }, [{ "check.tcp": "true" }, {}]],
    ["SERVICE_CHECK_SCRIPT", { SERVICE_CHECK_SCRIPT: "nc x" }, [{ "check.script": "nc x" }, {}]],
    [
      "SERVICE_CHECK_INITIAL_STATUS",
      { SERVICE_CHECK_INITIAL_STATUS: "passing" },
      [{ "check.status": "passing" }, {}],
    ],
    [
      "SERVICE_CHECK_DEREGISTER_AFTER",
      { SERVICE_CHECK_DEREGISTER_AFTER: "10m" },
      [{ "check.deregister": "10m" }, {}],
    ],
    ["other words are attributes", { SERVICE_REGION: "us" }, [{ "meta.region": "us" }, {}]],
    ["a port's attribute", { SERVICE_80_REGION: "us" }, [{}, { "80/tcp": { "meta.region": "us" } }]],
  ];
  test.each(cases)("%s", (_name, variables, expected) => {
    expect(show({}, variables)).toEqual(expected);
    expect(show(variables)).toEqual(expected);
  });

  test("a label wins over a variable, and Heddle's label over both", () => {
    expect(show({ SERVICE_NAME: "label" }, { SERVICE_NAME: "variable" })[0]).toEqual({ name: "label" });
    expect(show({ "heddle.service": "ours" }, { SERVICE_NAME: "theirs" })[0]).toEqual({ name: "ours" });
  });

  test("a check that is not known here is named, not guessed", () => {
    expect(readFields({}, { SERVICE_CHECK_CMD: "x" }).unknown).toEqual(["SERVICE_CHECK_CMD"]);
  });
});

test("whatever the labels are, they are read without an error", () => {
  const name = fc.oneof(
    fc.string(),
    fc.string().map((text) => `heddle.${text}`),
    fc.string().map((text) => `heddle.service.${text}`),
    fc.string().map((text) => `SERVICE_${text}`),
  );
  fc.assert(
    fc.property(fc.dictionary(name, fc.string()), fc.dictionary(name, fc.string()), (labels, environment) => {
      readFields(labels, environment);
    }),
  );
});

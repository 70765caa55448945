/** From a container to its registrations: ports, addresses, ids, checks, names. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseIp } from "../../../addr/index.ts";
import type { ContainerFacts } from "./facts.ts";
import { type PlanOptions, planContainer } from "./plan.ts";

const options: PlanOptions = {
  node: "n1",
  nodeAddress: parseIp("192.0.2.1"),
  engineId: "engine",
  servicesMax: 32,
};
const shop = {
  network: "shop",
  addresses: [parseIp("10.1.0.5"), parseIp("fd00::5")],
  names: ["web-1", "web"],
};
const plain: ContainerFacts = {
  id: "c0ffee0000000000000000000000000000000000000000000000000000000001",
  name: "web-1",
  image: "nginx",
  paused: false,
  startedMs: 1000,
  pid: 1,
  stopSignal: 15,
  labels: {},
  environment: {},
  exposed: [],
  published: [],
  onHostNetwork: false,
  attachments: [],
};
const tcp = (number: number) => ({ number, protocol: "tcp" as const });

function services(facts: Partial<ContainerFacts>) {
  const { registrations, problems } = planContainer({ ...plain, ...facts }, options);
  const shown = registrations.filter(({ kind }) => kind === "service").map(({ definition }) => definition);
  return { shown, problems, places: shown.map(({ name, address, port }) => `${name} ${address}:${port}`) };
}

describe("where a service is reached", () => {
  test("at the container's address in the fabric, on its lowest exposed port", () => {
    const { places } = services({
      labels: { "heddle.service": "web" },
      exposed: [tcp(443), tcp(80)],
      attachments: [shop],
    });
    expect(places).toEqual(["web 10.1.0.5:80"]);
  });

  test("on the port that the label says", () => {
    const { places } = services({
      labels: { "heddle.service": "web", "heddle.port": "8080" },
      exposed: [tcp(80)],
      attachments: [shop],
    });
    expect(places).toEqual(["web 10.1.0.5:8080"]);
  });

  test("outside of the fabric: where Docker published it, at the node's address", () => {
    const { places } = services({
      labels: { "heddle.service": "web" },
      published: [{ ...tcp(80), hostAddress: "", hostPort: 32_768 }],
    });
    expect(places).toEqual(["web :32768"]);
  });

  test("at the address that it was published on, if that is one", () => {
    const { places } = services({
      labels: { "heddle.service": "web" },
      published: [{ ...tcp(80), hostAddress: "192.0.2.9", hostPort: 8080 }],
    });
    expect(places).toEqual(["web 192.0.2.9:8080"]);
  });

  test("on the host's network: on the exposed port of the node", () => {
    const { places } = services({
      labels: { "heddle.service": "web" },
      exposed: [tcp(80)],
      onHostNetwork: true,
    });
    expect(places).toEqual(["web :80"]);
  });

  test("nowhere: the service is left out and that is said", () => {
    const { places, problems } = services({ labels: { "heddle.service": "web" }, exposed: [tcp(80)] });
    expect(places).toEqual([]);
    expect(problems[0]).toContain("port 80/tcp is not published");
  });

  test("of several networks the one that the label names", () => {
    const back = { network: "back", addresses: [parseIp("10.2.0.5")], names: ["web"] };
    const { places } = services({
      labels: { "heddle.service": "web", "heddle.network": "back" },
      exposed: [tcp(80)],
      attachments: [shop, back],
    });
    expect(places).toEqual(["web 10.2.0.5:80"]);
  });
});

describe("which services there are", () => {
  const at = { attachments: [shop], exposed: [tcp(80), tcp(443)] };

  test("none without a name, whatever else is said", () => {
    expect(
      services({ ...at, labels: { "heddle.tags": "a" }, environment: { SERVICE_TAGS: "b" } }).shown,
    ).toEqual([]);
  });

  test("one for each port that is named, with the common fields", () => {
    const { shown } = services({
      ...at,
      labels: {
        "heddle.service.80": "web",
        "heddle.service.443": "tls",
        "heddle.tags": "a, b",
        "heddle.service.443.tags": "c",
      },
    });
    expect(shown.map(({ name, port, tags }) => [name, port, tags])).toEqual([
      ["web", 80, ["a", "b"]],
      ["tls", 443, ["c"]],
    ]);
  });

  test("SERVICE_NAME with several ports appends the port, as Registrator does", () => {
    expect(services({ ...at, environment: { SERVICE_NAME: "web" } }).places).toEqual([
      "web-80 10.1.0.5:80",
      "web-443 10.1.0.5:443",
    ]);
    expect(services({ ...at, environment: { SERVICE_NAME: "web", SERVICE_443_NAME: "tls" } }).places).toEqual(
      ["tls 10.1.0.5:443", "web-80 10.1.0.5:80"],
    );
  });

  test("none where it is to be ignored, of the container or of a port", () => {
    expect(services({ ...at, environment: { SERVICE_NAME: "web", SERVICE_IGNORE: "1" } }).shown).toEqual([]);
    expect(services({ ...at, environment: { SERVICE_NAME: "web", SERVICE_80_IGNORE: "1" } }).places).toEqual([
      "web-443 10.1.0.5:443",
    ]);
  });

  test("the id is Registrator's unless one is given", () => {
    expect(services({ ...at, labels: { "heddle.service": "web" } }).shown[0]?.id).toBe("n1:web-1:80");
    expect(services({ ...at, labels: { "heddle.service": "web", "heddle.id": "w" } }).shown[0]?.id).toBe("w");
  });

  test("one that cannot be read is left out and reported, the others stand", () => {
    const { places, problems } = services({
      ...at,
      labels: {
        "heddle.service.80": "web",
        "heddle.service.443": "tls",
        "heddle.service.443.check.ttl": "soon",
      },
    });
    expect(places).toEqual(["web 10.1.0.5:80"]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain('check.ttl="soon"');
  });
});

describe("checks", () => {
  const checks = (labels: Record<string, string>, more: Partial<ContainerFacts> = {}) =>
    services({
      attachments: [shop],
      exposed: [tcp(80)],
      labels: { "heddle.service": "web", ...labels },
      ...more,
    });
  const probe = (labels: Record<string, string>) => checks(labels).shown[0]?.checks?.[0]?.probe;

  test("are HTTP on the service's own address and port, every 10 s", () => {
    expect(probe({ "heddle.check.http": "/up" })).toEqual({
      kind: "http",
      url: "http://10.1.0.5:80/up",
      intervalMs: 10_000,
    });
    expect(probe({ "heddle.check.http": ":8080" })).toMatchObject({ url: "http://10.1.0.5:8080/" });
    expect(probe({ "heddle.check.https": "/up", "heddle.check.tls-skip-verify": "true" })).toMatchObject({
      url: "https://10.1.0.5:80/up",
      tlsSkipVerify: true,
    });
  });

  test("are TCP, TTL and scripts, with their pace and thresholds", () => {
    expect(
      probe({ "heddle.check.tcp": "true", "heddle.check.interval": "3s", "heddle.check.timeout": "1s" }),
    ).toEqual({
      kind: "tcp",
      host: "10.1.0.5",
      port: 80,
      intervalMs: 3000,
      timeoutMs: 1000,
    });
    expect(probe({ "heddle.check.ttl": "30s" })).toEqual({ kind: "ttl", ttlMs: 30_000 });
    expect(probe({ "heddle.check.script": "nc $SERVICE_IP $SERVICE_PORT" })).toMatchObject({
      args: ["/bin/sh", "-c", "nc 10.1.0.5 80"],
    });
    expect(
      checks({
        "heddle.check.tcp": "true",
        "heddle.check.failures-before-critical": "3",
        "heddle.check.deregister": "5m",
      }).shown[0]?.checks?.[0],
    ).toMatchObject({ failuresBeforeCritical: 3, deregisterCriticalServiceAfterMs: 300_000 });
  });

  test("one alone has Consul's id, several have their kind behind it", () => {
    const ids = (labels: Record<string, string>) => checks(labels).shown[0]?.checks?.map(({ id }) => id);
    expect(ids({ "heddle.check.ttl": "30s" })).toEqual(["service:n1:web-1:80"]);
    expect(ids({ "heddle.check.ttl": "30s", "heddle.check.tcp": "80" })).toEqual([
      "service:n1:web-1:80:tcp",
      "service:n1:web-1:80:ttl",
    ]);
  });

  test("a HEALTHCHECK is one without asking, and can be declined", () => {
    const health = { health: { status: "starting" as const, output: "" } };
    expect(checks({}, health).shown[0]?.checks?.[0]).toMatchObject({
      id: "docker:n1:web-1:80",
      probe: { kind: "docker" },
    });
    expect(
      checks(
        { "heddle.check.docker": "false" },
        { ...health, labels: { "heddle.service": "web", "heddle.check.docker": "false" } },
      ).shown[0]?.checks,
    ).toEqual([]);
    expect(checks({ "heddle.check.docker": "true" }).problems[0]).toContain("no HEALTHCHECK");
  });

  test.each([
    ["heddle.check.interval", "0s"],
    ["heddle.check.interval", "10"],
    ["heddle.check.tcp", "host:99999"],
    ["heddle.check.status", "fine"],
    ["heddle.check.docker", "maybe"],
    ["heddle.check.failures-before-critical", "-1"],
    ["heddle.port", "http"],
  ])("%s=%s is refused by name", (label, value) => {
    const labels = { "heddle.check.http": "/", [label]: value };
    expect(checks(labels).shown).toEqual([]);
    expect(checks(labels).problems[0]).toContain(label.slice("heddle.".length));
  });
});

describe("names", () => {
  test("are one record a name and address, in the network only, of kind container", () => {
    const { registrations } = planContainer({ ...plain, attachments: [shop] }, options);
    expect(
      registrations.map(({ definition }) => `${definition.kind} ${definition.name} ${definition.address}`),
    ).toEqual([
      "container web-1.shop.docker 10.1.0.5",
      "container web-1.shop.docker fd00::5",
      "container web.shop.docker 10.1.0.5",
      "container web.shop.docker fd00::5",
    ]);
  });

  test("are none outside of the fabric", () => {
    expect(planContainer(plain, options).registrations).toEqual([]);
  });
});

test("whatever the labels say, ids are unique, everything is marked, and nothing throws", () => {
  const field = fc.constantFrom(
    "service",
    "service.80",
    "service.443",
    "service.80.id",
    "id",
    "port",
    "tags",
    "network",
    "check.http",
    "check.tcp",
    "check.interval",
    "check.docker",
    "check.ttl",
    "ignore",
  );
  const value = fc.oneof(fc.string(), fc.constantFrom("web", "80", "10s", "true", "/up", ":80", "shop"));
  const labels = fc.dictionary(
    field.map((each) => `heddle.${each}`),
    value,
  );
  const ports = fc.array(fc.integer({ min: 1, max: 65_535 }).map(tcp), { maxLength: 4 });
  fc.assert(
    fc.property(labels, ports, fc.boolean(), (wanted, exposed, inFabric) => {
      const facts = { ...plain, labels: wanted, exposed, attachments: inFabric ? [shop] : [] };
      const { registrations } = planContainer(facts, options);
      expect(new Set(registrations.map(({ serviceId }) => serviceId)).size).toBe(registrations.length);
      for (const { definition, digest } of registrations)
        expect(definition.meta).toMatchObject({ "heddle-source": "docker:engine", "heddle-digest": digest });
      expect(planContainer(facts, options).registrations).toEqual(registrations);
    }),
  );
});

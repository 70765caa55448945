/** Names that ask for one of several ports. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseIp } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { rcodes, typeNumber } from "../wire/index.ts";
import { MemoryCatalog, Resolver, type ServiceInstance } from "./index.ts";

function world(instances: readonly Partial<ServiceInstance>[]) {
  const catalog = new MemoryCatalog();
  const resolver = new Resolver({
    catalog,
    domains: ["consul"],
    datacenter: "dc1",
    nameserverAddresses: () => [],
    reversePools: () => [],
    whereIs: () => undefined,
    networksOf: () => [],
    ttl: { nodeSeconds: 0, serviceSeconds: {}, negativeSeconds: 0 },
    health: { onlyPassing: false, panicThreshold: 0 },
    dialects: [],
    subset: { instancesMax: 0, node: "n0" },
    clock: new ManualClock(),
    random: () => 0,
  });
  catalog.setService(
    "web",
    instances.map((more, i) => ({
      node: `n${i}`,
      nodeUp: true,
      nodeAddresses: [parseIp(`10.0.0.${i}`)],
      port: 80,
      tags: [],
      status: "passing",
      ...more,
    })),
  );
  return async (name: string, type = "SRV") => {
    const found = await resolver.resolve({ name, type: typeNumber(type) ?? 0, class: 1 });
    if (found?.rcode === rcodes.NXDOMAIN) return "NXDOMAIN";
    return found?.answers.map(({ data }) => {
      if (data.kind === "SRV") return `${data.target.split(".")[0]}:${data.port}`;
      return data.kind === "A" ? data.address : data.kind;
    });
  };
}

const several = {
  port: 80,
  ports: [
    { name: "http", port: 80 },
    { name: "gRPC", port: 90 },
  ],
};

test.each([
  ["web.service.consul", ["n0:80", "n1:80", "n2:7"]],
  ["_web._tcp.service.consul", ["n0:80", "n1:80", "n2:7"]],
  ["grpc.port.web.service.consul", ["n0:90", "n1:90"]],
  ["GRPC.Port.web.service.dc1.consul", ["n0:90", "n1:90"]],
  ["_grpc._tcp.web.service.consul", ["n0:90", "n1:90"]],
  ["_grpc._udp.web.service.consul", ["n0:90", "n1:90"]],
  ["_web._grpc.service.consul", ["n0:90", "n1:90", "n2:7"]],
  ["_web._grpc.consul", ["n0:90", "n1:90", "n2:7"]],
  ["http.port.v1.web.service.consul", ["n1:80"]],
  ["_http._tcp.v1.web.service.consul", ["n1:80"]],
  ["nope.port.web.service.consul", "NXDOMAIN"],
  ["_web._nope.service.consul", "NXDOMAIN"],
  ["port.web.service.consul", []],
  ["_tcp.web.service.consul", []],
])("%s leads to %s", async (name, expected) => {
  const ask = world([several, { ...several, tags: ["v1"] }, { port: 7, tags: ["grpc"] }]);
  expect(await ask(name)).toEqual(expected);
});

test("addresses are those of the instances that have the port", async () => {
  const ask = world([several, { port: 7 }]);
  expect(await ask("grpc.port.web.service.consul", "A")).toEqual(["10.0.0.0"]);
  expect(await ask("web.service.consul", "A")).toEqual(["10.0.0.0", "10.0.0.1"]);
});

test("a tag that is called `port` is a tag", async () => {
  expect(await world([{ tags: ["port"] }])("port.web.service.consul")).toEqual(["n0:80"]);
});

test("no name of a port leads to an instance without it, to another number, or to one that is not healthy", async () => {
  const name = fc.constantFrom("a", "b", "c");
  const instance = fc.record({
    ports: fc.option(
      fc.uniqueArray(fc.record({ name, port: fc.nat(9) }), { selector: (each) => each.name }),
      {
        nil: undefined,
      },
    ),
    status: fc.constantFrom("passing" as const, "critical" as const),
    tags: fc.subarray(["a", "b"]),
  });
  const forms = ["%.port.web.service.consul", "_%._tcp.web.service.consul", "_web._%.service.consul"];
  await fc.assert(
    fc.asyncProperty(
      fc.array(instance, { maxLength: 6 }),
      name,
      fc.constantFrom(...forms),
      async (states, asked, form) => {
        const ask = world(
          states.map(({ ports, ...rest }) => ({ ...rest, port: 99, ...(ports && { ports }) })),
        );
        const said = await ask(form.replace("%", asked));
        const byTag = form === forms[2];
        const expected = states.flatMap(({ ports, status, tags }, i) => {
          if (status === "critical") return [];
          const port =
            ports?.find((each) => each.name === asked)?.port ?? (byTag && tags.includes(asked) ? 99 : -1);
          return port < 0 ? [] : [`n${i}:${port}`];
        });
        expect(said).toEqual(expected.length === 0 ? "NXDOMAIN" : expected);
      },
    ),
    { numRuns: 400 },
  );
});

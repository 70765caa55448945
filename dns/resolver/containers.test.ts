/** Names of containers: whole ones from anywhere, short ones only among neighbours. */
import { describe, expect, test } from "vitest";
import { type Ip, parseIp } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { rcodes, typeNumber } from "../wire/index.ts";
import { MemoryCatalog, Resolver } from "./index.ts";

const web = parseIp("10.1.0.5");
const web6 = parseIp("fd00::5");
const inShop = parseIp("10.1.0.9");
const inBack = parseIp("10.2.0.9");
const inBoth = parseIp("10.1.0.10");

function world() {
  const catalog = new MemoryCatalog();
  catalog.setContainer("web", "shop", [web, web6]);
  catalog.setContainer("db", "back", [parseIp("10.2.0.5")]);
  catalog.setReverse(web, [{ kind: "container", name: "web.shop", datacenter: "dc1" }]);
  const networks = new Map([
    [inShop, ["shop"]],
    [inBack, ["back"]],
    [inBoth, ["shop", "back"]],
  ]);
  const resolver = new Resolver({
    catalog,
    domains: ["consul", "heddle"],
    datacenter: "dc1",
    nameserverAddresses: () => [],
    reversePools: () => [],
    whereIs: () => undefined,
    networksOf: (client) => networks.get(client) ?? [],
    dialects: [],
    subset: { instancesMax: 0, node: "n0" },
    ttl: { nodeSeconds: 0, serviceSeconds: {}, negativeSeconds: 0 },
    health: { onlyPassing: false, panicThreshold: 0 },
    clock: new ManualClock(),
    random: () => 0,
  });
  return async (name: string, client?: Ip, type = "A") => {
    const result = await resolver.resolve({ name, type: typeNumber(type) ?? 0, class: 1 }, client);
    if (!result) return undefined;
    const shown = result.answers.map(({ data }) =>
      data.kind === "A" || data.kind === "AAAA"
        ? data.address
        : data.kind === "PTR"
          ? data.target
          : data.kind,
    );
    return { ...result, shown };
  };
}

describe("a container's whole name", () => {
  test.each(["web.shop.docker.heddle", "web.shop.docker.consul", "WEB.Shop.docker.dc1.consul"])(
    "%s answers whoever asks",
    async (name) => {
      const ask = world();
      expect((await ask(name))?.shown).toEqual([web]);
      expect((await ask(name, inBack, "AAAA"))?.shown).toEqual([web6]);
    },
  );

  test.each(["api.shop.docker.heddle", "web.back.docker.heddle", "web.shop.docker.dc9.heddle"])(
    "%s does not exist",
    async (name) => {
      expect((await world()(name))?.rcode).toBe(rcodes.NXDOMAIN);
    },
  );

  test("is what its address leads back to", async () => {
    expect((await world()("5.0.1.10.in-addr.arpa", undefined, "PTR"))?.shown).toEqual([
      "web.shop.docker.dc1.consul",
    ]);
  });
});

describe("a container's short name", () => {
  test.each(["web", "WEB", "web.shop"])("%s answers its neighbours", async (name) => {
    const ask = world();
    expect((await ask(name, inShop))?.shown).toEqual([web]);
    expect((await ask(name, inBoth))?.shown).toEqual([web]);
  });

  test("is none of ours for whoever is not in its network", async () => {
    const ask = world();
    expect(await ask("web", inBack)).toBeUndefined();
    expect(await ask("web.shop", inBack)).toBeUndefined();
    expect(await ask("web.back", inBoth)).toBeUndefined();
    expect(await ask("web", parseIp("192.0.2.1"))).toBeUndefined();
    expect(await ask("web")).toBeUndefined();
  });

  test("is none of ours when there is no such container: it may be known elsewhere", async () => {
    expect(await world()("api", inShop)).toBeUndefined();
  });

  test("of a family that it does not have is an empty answer, not a foreign one", async () => {
    const answer = await world()("db", inBack, "AAAA");
    expect(answer?.rcode).toBe(rcodes.NOERROR);
    expect(answer?.shown).toEqual([]);
    expect(answer?.authorities).toHaveLength(1);
  });

  test("is never kept, as it depends on who asks", async () => {
    expect((await world()("web", inShop))?.dependsOn).toEqual([]);
  });
});

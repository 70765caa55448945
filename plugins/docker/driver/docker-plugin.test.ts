import { describe, expect, test } from "vitest";
import { type DockerRig, dockerNode, dockerRig } from "../../../test/lab/docker-rig.ts";

const demo = { name: "demo", pools: [{ cidr: "10.1.0.0/24" }, { cidr: "fd01::/64" }] };

interface Pool {
  readonly PoolID: string;
  readonly Pool: string;
  readonly Data: Readonly<Record<string, string>>;
}

async function requestPool(rig: DockerRig, message: object = {}): Promise<Pool> {
  const answer = await rig.call("IpamDriver.RequestPool", { AddressSpace: "heddle", V6: false, ...message });
  expect(answer["Error"]).toBeUndefined();
  return answer as unknown as Pool;
}

/** As an engine creates a network. Answers its pool. */
async function createNetwork(
  rig: DockerRig,
  id: string,
  message: object,
  options: object = {},
): Promise<Pool> {
  const pool = await requestPool(rig, message);
  expect(await rig.call("NetworkDriver.CreateNetwork", networkMessage(id, pool, options))).toEqual({});
  return pool;
}

function networkMessage(id: string, pool: Pool, options: object): object {
  return {
    NetworkID: id,
    Options: { "com.docker.network.generic": options },
    IPv4Data: [{ AddressSpace: "heddle", Pool: pool.Pool, Gateway: pool.Data["com.docker.network.gateway"] }],
    IPv6Data: null,
  };
}

async function requestAddress(rig: DockerRig, pool: Pool, address = ""): Promise<string> {
  const answer = await rig.call("IpamDriver.RequestAddress", {
    PoolID: pool.PoolID,
    Address: address,
    Options: null,
  });
  expect(answer["Error"]).toBeUndefined();
  return String(answer["Address"]);
}

/** As an engine starts a container. Answers the address. */
async function startContainer(
  rig: DockerRig,
  networkId: string,
  pool: Pool,
  id: string,
  address = "",
): Promise<string> {
  const given = await requestAddress(rig, pool, address);
  const created = await rig.call("NetworkDriver.CreateEndpoint", endpointMessage(networkId, id, given));
  expect(created["Err"]).toBeUndefined();
  const joined = await rig.call("NetworkDriver.Join", {
    NetworkID: networkId,
    EndpointID: id,
    SandboxKey: `/sandbox/${id}`,
  });
  expect(joined["Err"]).toBeUndefined();
  return given;
}

function endpointMessage(networkId: string, id: string, address: string, mac = ""): object {
  return {
    NetworkID: networkId,
    EndpointID: id,
    Interface: { Address: address, AddressIPv6: "", MacAddress: mac },
  };
}

async function stopContainer(
  rig: DockerRig,
  networkId: string,
  pool: Pool,
  id: string,
  address: string,
): Promise<void> {
  for (const method of ["Leave", "DeleteEndpoint"])
    expect(await rig.call(`NetworkDriver.${method}`, { NetworkID: networkId, EndpointID: id })).toEqual({});
  await release(rig, pool, address);
}

async function release(rig: DockerRig, pool: Pool, address: string): Promise<void> {
  const message = { PoolID: pool.PoolID, Address: address.split("/")[0] };
  expect(await rig.call("IpamDriver.ReleaseAddress", message)).toEqual({});
}

function held(rig: DockerRig): string[] {
  return rig.ipam.leases().map(({ ip }) => `${ip}/32`);
}

describe("the protocol", () => {
  test("activation names both drivers, and every method answers an object", async () => {
    const rig = await dockerRig(await dockerNode(demo));
    expect(await rig.call("Plugin.Activate")).toEqual({ Implements: ["NetworkDriver", "IpamDriver"] });
    const free = [
      "GetCapabilities",
      "GwAllocCheck",
      "AllocateNetwork",
      "FreeNetwork",
      "DiscoverNew",
      "DiscoverDelete",
    ];
    for (const method of free) {
      const { status, body } = await rig.driver.plugin.answer(`NetworkDriver.${method}`, Buffer.from(""));
      expect(status).toBe(200);
      expect(body).not.toHaveProperty("Err");
    }
    expect(await rig.call("NetworkDriver.GetCapabilities")).toMatchObject({ Scope: "local" });
    expect(await rig.call("IpamDriver.GetCapabilities")).toMatchObject({ RequiresRequestReplay: false });
  });

  test("an unknown method is 404, a body that is no call 400 or an error", async () => {
    const { driver } = await dockerRig(await dockerNode(demo));
    expect(await driver.plugin.answer("NetworkDriver.Fly", Buffer.from("{}"))).toMatchObject({ status: 404 });
    expect(await driver.plugin.answer("NetworkDriver.Join", Buffer.from("{}"))).toMatchObject({
      status: 400,
    });
    const { body } = await driver.plugin.answer("NetworkDriver.Join", Buffer.from("{"));
    expect(body).toMatchObject({
      Err: expect.stringContaining("DOCKER_UNDECODABLE"),
      Error: expect.any(String),
    });
  });

  test("an answer comes within the deadline though the control plane hangs", async () => {
    const node = await dockerNode();
    const rig = await dockerRig(node);
    node.planHangs = true;
    const pool = await requestPool(rig, { Pool: "10.5.0.0/24" });
    const created = rig.call("NetworkDriver.CreateNetwork", networkMessage("n1", pool, {}));
    await Promise.resolve();
    await node.clock.advance(1900);
    expect(await created).toMatchObject({ Err: expect.stringContaining("ENDPOINT_DEADLINE") });
  });
});

describe("pools", () => {
  test("no two that Docker asks for at a time are the same or overlap, so that it finds one", async () => {
    const rig = await dockerRig(await dockerNode(demo));
    const pools: string[] = [];
    for (let i = 0; i < 50; i++) pools.push((await requestPool(rig)).Pool);
    expect(new Set(pools).size).toBe(50);
  });

  test("the block of a network gives that network's addresses", async () => {
    const rig = await dockerRig(await dockerNode(demo));
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    expect(await requestAddress(rig, pool)).toMatch(/^10\.1\.0\.\d+\/32$/);
    expect(rig.ipam.leases().map(({ network }) => network)).toEqual(["demo"]);
  });

  test.each([
    ["--ipam-opt", { Options: { "heddle.network": "new" } }, {}],
    ["-o", {}, { "heddle.network": "new" }],
  ])(
    "a network that %s names and that is not there is made, with what Docker shows",
    async (_, message, options) => {
      const rig = await dockerRig(await dockerNode(demo));
      const pool = await createNetwork(rig, "n1", message, options);
      expect(rig.node.networks.get("new")?.pools.map(({ cidr }) => cidr)).toEqual([pool.Pool]);
    },
  );

  const right = "--ipv6 --subnet 10.1.0.0/24 --subnet fd01::/64 -o heddle.network=demo";

  test.each(["", "10.2.0.0/24"])(
    "of a network that is there Docker cannot be given another block (%j), and is told the right one",
    async (Pool) => {
      const rig = await dockerRig(await dockerNode(demo));
      const Options = { "heddle.network": "demo" };
      const asked = await rig.call("IpamDriver.RequestPool", { AddressSpace: "heddle", Pool, Options });
      expect(asked["Error"]).toContain(right);
      const pool = await requestPool(rig, { Pool });
      const created = await rig.call("NetworkDriver.CreateNetwork", networkMessage("n1", pool, Options));
      expect(created["Err"]).toContain(right);
      expect(rig.driver.journal.networks.list()).toEqual([]);
    },
  );

  test("a range that holds a block is served by blocks of the node, one round to the server for many containers", async () => {
    const node = await dockerNode({ name: "demo", pools: [{ cidr: "10.1.0.0/16" }] });
    const rig = await dockerRig(node);
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/16", SubPool: "10.1.7.0/24" });
    for (let i = 0; i < 20; i++) expect(await requestAddress(rig, pool)).toMatch(/^10\.1\.7\.\d+\/32$/);
    const [status] = rig.ipam.status("demo");
    expect(status?.blocks).toHaveLength(1);
    expect(rig.ipam.leases().some(({ isStatic }) => isStatic)).toBe(false);
  });

  test("a range smaller than a block is served by name, as its block may have other users", async () => {
    const node = await dockerNode({ name: "demo", pools: [{ cidr: "10.1.0.0/16" }] });
    const rig = await dockerRig(node);
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/16", SubPool: "10.1.7.16/30" });
    const given = new Set<string>();
    for (let i = 0; i < 4; i++) given.add(await requestAddress(rig, pool));
    expect([...given].toSorted()).toEqual(["16", "17", "18", "19"].map((n) => `10.1.7.${n}/32`));
    const full = await rig.call("IpamDriver.RequestAddress", { PoolID: pool.PoolID, Address: "" });
    expect(full["Error"]).toContain("IPAM_POOL_EXHAUSTED");
  });

  test("the gateway is link-local and releasing it does nothing", async () => {
    const rig = await dockerRig(await dockerNode(demo));
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    expect(pool.Data["com.docker.network.gateway"]).toBe("169.254.1.1/32");
    await release(rig, pool, "169.254.1.1");
    expect(held(rig)).toEqual([]);
  });

  test("a pool that is released twice, or was never there, is released", async () => {
    const rig = await dockerRig(await dockerNode(demo));
    const { PoolID } = await requestPool(rig);
    for (const id of [PoolID, PoolID, "none"])
      expect(await rig.call("IpamDriver.ReleasePool", { PoolID: id })).toEqual({});
  });
});

describe("a container", () => {
  test("is told only what it did not say, and its interface is handed over by name", async () => {
    const rig = await dockerRig(await dockerNode(demo));
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    const address = await requestAddress(rig, pool);
    const created = await rig.call("NetworkDriver.CreateEndpoint", endpointMessage("n1", "e1", address));
    expect(created).toEqual({ Interface: { MacAddress: expect.any(String) } });
    const joined = await rig.call("NetworkDriver.Join", {
      NetworkID: "n1",
      EndpointID: "e1",
      SandboxKey: "/s",
    });
    expect(joined).toMatchObject({
      InterfaceName: { DstPrefix: "eth" },
      Gateway: "169.254.1.1",
      DisableGatewayService: true,
    });
    const { SrcName } = joined["InterfaceName"] as { SrcName: string };
    expect(await rig.node.kernel.link(SrcName)).toBeDefined();
    const given = await requestAddress(rig, pool);
    const own = endpointMessage("n1", "e2", given, "02:42:00:00:00:09");
    expect(await rig.call("NetworkDriver.CreateEndpoint", own)).toEqual({ Interface: {} });
  });

  test("has another gateway on each interface", async () => {
    const rig = await dockerRig(await dockerNode(demo));
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    const gateways: unknown[] = [];
    for (const id of ["e1", "e2"]) {
      await rig.call(
        "NetworkDriver.CreateEndpoint",
        endpointMessage("n1", id, await requestAddress(rig, pool)),
      );
      const joined = await rig.call("NetworkDriver.Join", {
        NetworkID: "n1",
        EndpointID: id,
        SandboxKey: "/s",
      });
      gateways.push(joined["Gateway"]);
    }
    expect(gateways).toEqual(["169.254.1.1", "169.254.1.2"]);
  });

  test("each call may come twice", async () => {
    const rig = await dockerRig(await dockerNode(demo));
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    const address = await requestAddress(rig, pool);
    for (const _ of [1, 2]) {
      const created = await rig.call("NetworkDriver.CreateEndpoint", endpointMessage("n1", "e1", address));
      expect(created).not.toHaveProperty("Err");
      const joined = await rig.call("NetworkDriver.Join", {
        NetworkID: "n1",
        EndpointID: "e1",
        SandboxKey: "/s",
      });
      expect(joined).not.toHaveProperty("Err");
    }
    for (const _ of [1, 2]) await stopContainer(rig, "n1", pool, "e1", address);
    expect(held(rig)).toEqual([]);
    expect(rig.endpoints.list()).toEqual([]);
  });

  test("cannot take an address that Docker's own driver gave, nor another's", async () => {
    const rig = await dockerRig(await dockerNode(demo));
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    const mine = await startContainer(rig, "n1", pool, "e1");
    for (const address of ["10.1.0.200/32", mine]) {
      const created = await rig.call("NetworkDriver.CreateEndpoint", endpointMessage("n1", "e2", address));
      expect(created["Err"]).toContain("DOCKER_ADDRESS_INVALID");
    }
  });
});

describe("an address asked for by name", () => {
  test("is the container's again when it starts anew, though it rests", async () => {
    const rig = await dockerRig(await dockerNode(demo));
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    const address = await startContainer(rig, "n1", pool, "e1", "10.1.0.77");
    await stopContainer(rig, "n1", pool, "e1", address);
    expect(await startContainer(rig, "n1", pool, "e2", "10.1.0.77")).toBe("10.1.0.77/32");
  });

  test("asked for twice before an endpoint has it, and given back once, is still held", async () => {
    const rig = await dockerRig(await dockerNode(demo));
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    const address = await requestAddress(rig, pool, "10.1.0.77");
    expect(await requestAddress(rig, pool, "10.1.0.77")).toBe(address);
    await rig.call("NetworkDriver.CreateEndpoint", endpointMessage("n1", "e1", address));
    await release(rig, pool, address);
    expect(held(rig)).toEqual(["10.1.0.77/32"]);
    expect(rig.driver.journal.endpoints.get("e1")).not.toHaveProperty("isForsaken");
  });

  test("is refused while a container has it, and free when that container's interface is gone", async () => {
    const rig = await dockerRig(await dockerNode(demo));
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    await startContainer(rig, "n1", pool, "e1", "10.1.0.77");
    const again = () => rig.call("IpamDriver.RequestAddress", { PoolID: pool.PoolID, Address: "10.1.0.77" });
    expect((await again())["Error"]).toContain("IPAM_ADDRESS_IN_USE");
    const [link] = rig.endpoints.links();
    await rig.node.kernel.apply([{ op: "link.delete", link: link?.hostIfname ?? "" }]);
    expect((await again())["Address"]).toBe("10.1.0.77/32");
  });
});

describe("after a restart of the agent", () => {
  test("networks, pools, endpoints and addresses are as before: Docker says nothing again", async () => {
    const node = await dockerNode(demo);
    const before = await dockerRig(node);
    const pool = await createNetwork(before, "n1", { Pool: "10.1.0.0/24" });
    const address = await startContainer(before, "n1", pool, "e1");
    await before.stop();
    const rig = await dockerRig(node);
    expect(held(rig)).toEqual([address]);
    expect(await requestAddress(rig, pool)).not.toBe(address);
    await stopContainer(rig, "n1", pool, "e1", address);
    expect(rig.endpoints.list()).toEqual([]);
  });
});

describe("what the engine forgot", () => {
  const engineHas = (...endpoints: readonly string[]) => [
    { id: "n1", driver: "heddle", ipamDriver: "heddle", endpoints, addresses: [] },
  ];

  test("is taken away after the grace, and not before; its address rests", async () => {
    const node = await dockerNode(demo);
    const rig = await dockerRig(node);
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    const address = await startContainer(rig, "n1", pool, "e1");
    node.engine = engineHas();
    expect(await rig.driver.collector.collectNow()).toMatchObject({ endpoints: [] });
    await node.clock.advance(29_000);
    expect(await rig.driver.collector.collectNow()).toMatchObject({ endpoints: [] });
    await node.clock.advance(1_000);
    expect(await rig.driver.collector.collectNow()).toMatchObject({ endpoints: ["e1"] });
    expect(held(rig)).toEqual([]);
    expect(rig.ipam.status("demo").find(({ pool }) => pool === "10.1.0.0/24")?.quarantined).toBe(1);
    expect(address).not.toBe("");
  });

  test("is kept when the engine lists it, and when the engine does not answer", async () => {
    const node = await dockerNode(demo);
    const rig = await dockerRig(node);
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    await startContainer(rig, "n1", pool, "e1");
    for (const engine of [engineHas("e1"), undefined]) {
      node.engine = engine;
      for (let round = 0; round < 4; round++) {
        await rig.driver.collector.collectNow();
        await node.clock.advance(30_000);
      }
    }
    expect(held(rig)).toHaveLength(1);
  });

  test("absence must be in a row: an engine that lists it once more starts the grace anew", async () => {
    const node = await dockerNode(demo);
    const rig = await dockerRig(node);
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    await startContainer(rig, "n1", pool, "e1");
    for (const engine of [engineHas(), engineHas("e1"), engineHas()]) {
      node.engine = engine;
      await rig.driver.collector.collectNow();
      await node.clock.advance(20_000);
    }
    await rig.driver.collector.collectNow();
    expect(held(rig)).toHaveLength(1);
  });

  test("an address that was requested for nothing goes, one set aside stays", async () => {
    const node = await dockerNode(demo);
    const rig = await dockerRig(node);
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    await requestAddress(rig, pool);
    await requestAddress(rig, pool, "10.1.0.9");
    node.engine = [{ ...engineHas()[0], addresses: ["10.1.0.9"] } as never];
    await rig.driver.collector.collectNow();
    await node.clock.advance(30_000);
    await rig.driver.collector.collectNow();
    expect(held(rig)).toEqual(["10.1.0.9/32"]);
  });

  test("an address that Docker released though its endpoint stands is kept until the interface is gone", async () => {
    const node = await dockerNode(demo);
    const rig = await dockerRig(node);
    const pool = await createNetwork(rig, "n1", { Pool: "10.1.0.0/24" });
    const address = await startContainer(rig, "n1", pool, "e1");
    node.engine = undefined;
    await release(rig, pool, address);
    await rig.driver.collector.collectNow();
    expect(held(rig)).toEqual([address]);
    const [link] = rig.endpoints.links();
    await node.kernel.apply([{ op: "link.delete", link: link?.hostIfname ?? "" }]);
    await rig.driver.collector.collectNow();
    expect(held(rig)).toEqual([]);
  });

  test("a network goes with its endpoints, and one that was made for it leaves the fabric", async () => {
    const node = await dockerNode();
    const rig = await dockerRig(node);
    const id = "0123456789abcdef";
    await createNetwork(rig, id, { Pool: "10.7.0.0/24" });
    expect([...node.networks.keys()]).toEqual(["docker-0123456789ab"]);
    await rig.driver.collector.collectNow();
    await node.clock.advance(30_000);
    await rig.driver.collector.collectNow();
    expect(rig.driver.journal.networks.list()).toEqual([]);
    expect([...node.networks.keys()]).toEqual([]);
  });
});

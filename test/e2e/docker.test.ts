/** Two Docker Engines with Heddle as network driver and IPAM driver: one fabric. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../lab/command.ts";
import { DockerFabric, type Running } from "../lab/docker-fabric.ts";
import { image } from "../lab/engine.ts";

const lab = new DockerFabric(2);
const [h1, h2] = [lab.host(0), lab.host(1)];
const dual = ["--ipv6", "--subnet", "10.90.0.0/16", "--subnet", "fd90::/64", "-o", "heddle.network=demo"];

beforeAll(async () => {
  await lab.start();
  lab.createNetwork("demo", ...dual);
});

afterEach(async () => {
  for (const host of lab.hosts) lab.removeContainers(host);
  for (const host of lab.hosts) await lab.nothingLeft(host);
});

afterAll(() => lab.dispose(), 60_000);

function tryDocker(host: typeof h1, ...args: readonly string[]) {
  return lab.engine(host).tryDocker(...args);
}

/** The answer of a TCP port as seen from a host. */
function ask(host: typeof h1, address: string): string {
  return host.tryRun(["curl", "-s", "-m3", `http://${address}/`]).stdout;
}

/** For a shell in a container. */
function asking(address: string, port: number): string {
  return `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | /bin/busybox nc -w2 ${address} ${port}`;
}

/** A container that answers `hello from <name>` on port 80. */
function serve(host: typeof h1, name: string, ...options: readonly string[]): Running {
  const script = `mkdir /www; printf "hello from ${name}" > /www/index.html; exec httpd -f -p 80 -h /www`;
  lab.docker(
    host,
    "run",
    "-d",
    "--network",
    "demo",
    "--name",
    name,
    ...options,
    image,
    "/bin/sh",
    "-c",
    script,
  );
  return lab.inspect(host, "demo", name);
}

/** Names of the fabric's networks that the driver made for engines. */
function made(): readonly string[] {
  const networks = lab.fabric.ask(h1, "network", "ls") as readonly { readonly name: string }[];
  return networks.map(({ name }) => name).filter((name) => name.startsWith("docker-"));
}

/** Taken off their engine at once. The fabric forgets them half a minute later, which the last test sees. */
let drawn: readonly string[] = [];

test("docker network create draws a pool of its own each time", () => {
  const names = ["auto1", "auto2"];
  for (const name of names)
    lab.docker(h1, "network", "create", "-d", "heddle", "--ipam-driver", "heddle", name);
  drawn = made();
  expect(drawn).toHaveLength(2);
  for (const name of names) lab.docker(h1, "network", "rm", name);
});

describe("containers of two engines", () => {
  test("have unique addresses of both families and reach each other", () => {
    const all = [h1, h2].flatMap((host) =>
      ["c1", "c2", "c3"].map((name) => lab.run(host, "demo", `${host.name}${name}`)),
    );
    const addresses = all.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6]);
    expect(new Set(addresses).size).toBe(12);
    for (const from of all) expect(lab.pings(from, ...addresses)).toBe(true);
  });

  test("share one allocator with CNI and the command line", () => {
    lab.run(h1, "demo", "c1");
    const shown = lab.fabric.ask(h1, "ipam", "show", "demo") as {
      pools: { pool: string; blocksClaimed: number }[];
    };
    expect(shown.pools.map(({ pool }) => pool)).toEqual(["10.90.0.0/16", "fd90::/64"]);
    expect(shown.pools.every(({ blocksClaimed }) => blocksClaimed > 0)).toBe(true);
  });

  test("reach what is outside of the fabric", () => {
    const container = lab.run(h1, "demo", "c1");
    expect(lab.pings(container, "10.77.1.1")).toBe(true);
    expect(lab.pings(container, "fd77:0:0:1::1")).toBe(true);
  });

  test("have the MAC that is asked for", () => {
    const body = {
      Image: image,
      Cmd: ["/bin/sleep", "1000"],
      MacAddress: "02:42:00:00:00:07",
      HostConfig: { NetworkMode: "demo" },
    };
    const socket = ["curl", "-sf", "--unix-socket", lab.engine(h1).socketPath];
    h1.run([
      ...socket,
      "-H",
      "Content-Type: application/json",
      "-d",
      JSON.stringify(body),
      "http://d/v1.41/containers/create?name=mac1",
    ]);
    lab.docker(h1, "start", "mac1");
    expect(lab.docker(h1, "exec", "mac1", "/bin/cat", "/sys/class/net/eth0/address")).toBe(
      "02:42:00:00:00:07",
    );
    expect(lab.pings(lab.run(h2, "demo", "c2"), lab.inspect(h1, "demo", "mac1").ipv4)).toBe(true);
  });
});

describe("an address asked for by name", () => {
  test("is given, and again after a restart of the container", () => {
    const first = lab.run(h1, "demo", "c1", "--ip", "10.90.200.7", "--ip6", "fd90::77");
    expect([first.ipv4, first.ipv6]).toEqual(["10.90.200.7", "fd90::77"]);
    lab.docker(h1, "restart", "-t", "0", "c1");
    expect(lab.inspect(h1, "demo", "c1").ipv4).toBe("10.90.200.7");
    expect(lab.pings(lab.run(h2, "demo", "c2"), "10.90.200.7")).toBe(true);
  });

  test("is refused to a second container, on either engine, which leaves the first alone", () => {
    const first = lab.run(h1, "demo", "c1", "--ip", "10.90.200.8");
    for (const host of [h1, h2]) {
      const second = tryDocker(
        host,
        "run",
        "-d",
        "--network",
        "demo",
        "--name",
        "c2",
        "--ip",
        "10.90.200.8",
        image,
        "/bin/sleep",
        "9",
      );
      expect(second.status).toBe(125);
      expect(second.stderr).toContain("IPAM_ADDRESS_IN_USE");
    }
    expect(lab.pings(lab.run(h2, "demo", "c3"), first.ipv4)).toBe(true);
  });
});

describe("a published port", () => {
  test("is reached at the host, at localhost, from another host, and from the container itself", async () => {
    const { ipv4 } = serve(h1, "web1", "-p", "8080:80");
    await waitFor("the server", () => ask(h1, `${ipv4}`) === "hello from web1" || undefined);
    for (const address of ["127.0.0.1:8080", "[::1]:8080", "10.77.1.10:8080", "[fd77:0:0:1::10]:8080"])
      expect(ask(h1, address)).toBe("hello from web1");
    expect(ask(h2, "10.77.1.10:8080")).toBe("hello from web1");
    expect(ask(h2, "[fd77:0:0:1::10]:8080")).toBe("hello from web1");
    const hairpin = lab.docker(h1, "exec", "web1", "/bin/sh", "-c", asking("10.77.1.10", 8080));
    expect(hairpin).toContain("hello from web1");
    const other = lab.run(h2, "demo", "c2");
    expect(lab.docker(other.host, "exec", "c2", "/bin/sh", "-c", asking("10.77.1.10", 8080))).toContain(
      "hello from web1",
    );
  });

  test("is refused when another container or a program of the host has it", () => {
    lab.run(h1, "demo", "c1", "-p", "8081:80");
    const taken = tryDocker(
      h1,
      "run",
      "-d",
      "--network",
      "demo",
      "--name",
      "c2",
      "-p",
      "8081:80",
      image,
      "/bin/sleep",
      "9",
    );
    expect(taken.stderr).toContain("DOCKER_PORT_TAKEN");
    const ours = tryDocker(
      h1,
      "run",
      "-d",
      "--network",
      "demo",
      "--name",
      "c3",
      "-p",
      "127.0.0.1:8500:80",
      image,
      "/bin/sleep",
      "9",
    );
    expect(ours.stderr).toContain("DOCKER_PORT_TAKEN");
  });

  test("goes with its container, and survives a restart of the agent", async () => {
    const { ipv4 } = serve(h1, "web2", "-p", "8082:80");
    await lab.fabric.agent(h1).killHard();
    await lab.startAgent(h1);
    await waitFor("the server", () => ask(h1, ipv4) === "hello from web2" || undefined);
    expect(ask(h2, "10.77.1.10:8082")).toBe("hello from web2");
    lab.docker(h1, "rm", "-f", "web2");
    expect(ask(h2, "10.77.1.10:8082")).toBe("");
  });
});

describe("several networks of one container", () => {
  test("each answer by their own interface, also when they come and go", () => {
    lab.createNetwork("back", "--subnet", "10.94.0.0/16", "-o", "heddle.network=back");
    const one = lab.run(h1, "demo", "c1");
    const two = lab.run(h2, "demo", "c2");
    for (const { host, name } of [one, two]) lab.docker(host, "network", "connect", "back", name);
    const back = lab.inspect(h2, "back", "c2");
    expect(lab.pings(one, back.ipv4)).toBe(true);
    expect(lab.pings(one, two.ipv4)).toBe(true);
    expect(lab.docker(h1, "exec", "c1", "/bin/sh", "-c", `ip route get ${back.ipv4}`)).toContain("eth1");
    lab.docker(h1, "network", "disconnect", "demo", "c1");
    expect(lab.pings(one, back.ipv4)).toBe(true);
    expect(lab.pings(one, "10.77.1.1")).toBe(true);
    lab.docker(h1, "network", "connect", "demo", "c1");
    expect(lab.pings(one, two.ipv6)).toBe(true);
    for (const host of lab.hosts) lab.removeContainers(host);
    for (const host of lab.hosts) lab.docker(host, "network", "rm", "back");
  });

  test("may be Docker's own bridge beside Heddle's", () => {
    const one = lab.run(h1, "demo", "c1");
    const two = lab.run(h2, "demo", "c2");
    lab.docker(h1, "network", "connect", "bridge", "c1");
    expect(lab.pings(one, two.ipv4)).toBe(true);
    expect(lab.pings(two, one.ipv4)).toBe(true);
  });
});

describe("networks are kept apart", () => {
  const addDefaultRoute = (host: typeof h1, name: string) => {
    const pid = lab.docker(host, "inspect", "-f", "{{.State.Pid}}", name);
    host.run(["nsenter", `--net=/proc/${pid}/ns/net`, "ip", "route", "add", "default", "via", "169.254.1.1"]);
  };

  test("an internal one has no way out, not even with a route made by hand, and its ports are not published", async () => {
    lab.createNetwork("inner", "--internal", "--subnet", "10.91.0.0/16");
    const [one, two] = [lab.run(h1, "inner", "c1", "-p", "8083:80"), lab.run(h2, "inner", "c2")];
    const other = lab.run(h1, "demo", "c3");
    addDefaultRoute(h1, "c1");
    expect(lab.pings(one, two.ipv4)).toBe(true);
    expect(lab.pings(two, one.ipv4)).toBe(true);
    expect(lab.pings(one, "169.254.1.1")).toBe(true);
    const out = ["10.77.1.1", "10.77.1.10", "10.77.1.11", other.ipv4].map((ip) => [one, ip] as const);
    expect(await lab.answered(...out, [other, one.ipv4])).toEqual([]);
    expect(h1.tryRun(["nft", "list", "table", "inet", "heddle"]).stdout).not.toContain("8083");
    for (const host of lab.hosts) lab.removeContainers(host);
    for (const host of lab.hosts) lab.docker(host, "network", "rm", "inner");
  });

  test("others reach the outside and what is published, and each other only if both are open", async () => {
    for (const [name, subnet, policy] of [
      ["apart", "10.96.0.0/16", "isolated"],
      ["open1", "10.97.0.0/16", "open"],
      ["open2", "10.98.0.0/16", "open"],
    ] as const)
      lab.createNetwork(name, "--subnet", subnet, "-o", `heddle.policy=${policy}`);
    const web = serve(h1, "web3", "-p", "8084:80");
    const apart = lab.run(h1, "apart", "c1");
    const open1 = lab.run(h1, "open1", "c2");
    const open2 = lab.run(h2, "open2", "c3");
    await waitFor("the server", () => ask(h1, web.ipv4) === "hello from web3" || undefined);
    expect(lab.pings(open1, open2.ipv4)).toBe(true);
    expect(lab.pings(open2, open1.ipv4)).toBe(true);
    const across = await lab.answered(
      [apart, web.ipv4],
      [apart, open1.ipv4],
      [apart, open2.ipv4],
      [open1, apart.ipv4],
      [open2, web.ipv4],
    );
    expect(across).toEqual([]);
    for (const { host, name } of [apart, open1, open2]) {
      expect(lab.pings({ host, name }, "10.77.1.1")).toBe(true);
      const asked = asking("10.77.1.10", 8084);
      expect(lab.docker(host, "exec", name, "/bin/sh", "-c", asked)).toContain("hello from web3");
    }
    for (const host of lab.hosts) lab.removeContainers(host);
    for (const host of lab.hosts)
      for (const name of ["apart", "open1", "open2"]) lab.docker(host, "network", "rm", name);
  });
});

describe("docker network create", () => {
  const create = (...args: readonly string[]) =>
    tryDocker(h1, "network", "create", "-d", "heddle", ...args, "wrong");
  test.each([
    ["without Heddle's IPAM driver", [], "add --ipam-driver heddle"],
    [
      "with a subnet in the way of a network",
      ["--ipam-driver", "heddle", "--subnet", "10.90.4.0/24"],
      "DOCKER_POOL_INVALID",
    ],
    [
      "with a subnet that is not the network's",
      ["--ipam-driver", "heddle", "--subnet", "10.99.0.0/24", "-o", "heddle.network=demo"],
      "DOCKER_NETWORK_INVALID",
    ],
    [
      "with a range that means something else",
      ["--ipam-driver", "heddle", "--subnet", "169.254.0.0/16"],
      "IPAM_NETWORK_INVALID",
    ],
    [
      "without the subnets of a network that exists",
      ["--ipam-driver", "heddle", "-o", "heddle.network=demo"],
      "--ipv6 --subnet 10.90.0.0/16 --subnet fd90::/64 -o heddle.network=demo",
    ],
    [
      "without them, by --ipam-opt",
      ["--ipam-driver", "heddle", "--ipam-opt", "heddle.network=demo"],
      "--ipv6 --subnet 10.90.0.0/16 --subnet fd90::/64 -o heddle.network=demo",
    ],
    [
      "as internal, on a network that is not",
      ["--ipam-driver", "heddle", "--internal", "--subnet", "10.90.0.0/16"],
      "exists with policy isolated, not internal",
    ],
    [
      "with an option that is unknown",
      ["--ipam-driver", "heddle", "-o", "heddle.netwrok=demo"],
      "DOCKER_OPTION_INVALID",
    ],
    [
      "with a gateway that containers may have",
      ["--ipam-driver", "heddle", "--subnet", "10.90.0.0/16", "--gateway", "10.90.0.1"],
      "DOCKER_GATEWAY_INVALID",
    ],
  ])("%s is an error, and leaves nothing", (_, args, expected) => {
    const { status, stderr } = create(...args);
    expect(status).toBe(1);
    expect(stderr).toContain(expected);
    expect(lab.docker(h1, "network", "ls", "-q", "-f", "name=wrong")).toBe("");
  });

  test("keeps a gateway and auxiliary addresses of a new network free", () => {
    const options = [
      "--subnet",
      "10.92.0.0/29",
      "--gateway",
      "10.92.0.1",
      "--aux-address",
      "router=10.92.0.2",
    ];
    lab.docker(h1, "network", "create", "-d", "heddle", "--ipam-driver", "heddle", ...options, "small");
    const ips = ["c1", "c2", "c3", "c4"].map((name) => lab.run(h1, "small", name).ipv4);
    expect(ips.toSorted()).toEqual(["10.92.0.3", "10.92.0.4", "10.92.0.5", "10.92.0.6"]);
    const full = tryDocker(h1, "run", "-d", "--network", "small", "--name", "c5", image, "/bin/sleep", "9");
    expect(full.stderr).toContain("IPAM_POOL_EXHAUSTED");
    lab.removeContainers(h1);
    lab.docker(h1, "network", "rm", "small");
  });

  test("takes addresses from the --ip-range of the engine", () => {
    lab.docker(
      h1,
      "network",
      "create",
      "-d",
      "heddle",
      "--ipam-driver",
      "heddle",
      "--subnet",
      "10.93.0.0/16",
      "--ip-range",
      "10.93.7.0/28",
      "ranged",
    );
    const ips = ["c1", "c2"].map((name) => lab.run(h1, "ranged", name).ipv4);
    for (const ip of ips) expect(ip).toMatch(/^10\.93\.7\.(\d|1[0-5])$/);
    expect(new Set(ips).size).toBe(2);
    lab.removeContainers(h1);
    lab.docker(h1, "network", "rm", "ranged");
  });
});

test("the fabric forgets the networks that were made for engines", async () => {
  const left = () => made().filter((name) => drawn.includes(name));
  await waitFor("made networks to go", () => left().length === 0 || undefined, 60_000);
});

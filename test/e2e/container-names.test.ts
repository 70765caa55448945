/**
 * Names inside containers, on two hosts with a real Docker Engine each: asked of the resolver that Docker gives a
 * container (127.0.0.11), which hands on what it does not know to the agent at 169.254.1.1.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../lab/command.ts";
import { Engine, image } from "../lab/engine.ts";
import { Fabric } from "../lab/fabric.ts";
import type { Host } from "../lab/host.ts";
import { Lab } from "../lab/lab.ts";

const lab = new Lab();
const h1 = lab.addHost("h1", 1);
const h2 = lab.addHost("h2", 1);
const flags = ["--dns=169.254.1.1"];
const engines = new Map([h1, h2].map((host) => [host, new Engine(host, { flags })]));
const fabric = new Fabric(h1);
/** The router has no name server and says so at once. */
const upstream = ["--upstream", "10.77.1.1"];

function docker(host: Host, ...args: readonly string[]): string {
  const engine = engines.get(host);
  if (!engine) throw new Error(`${host.name} has no engine`);
  return engine.docker(...args);
}

/** Addresses that a program in the container finds for the name; none when it finds nothing. */
function lookUp(host: Host, container: string, name: string, type: "a" | "aaaa" = "a"): readonly string[] {
  const engine = engines.get(host);
  const found = engine?.tryDocker("exec", container, "/bin/nslookup", `-type=${type}`, name);
  const [, answer = ""] = (found?.stdout ?? "").split(/\n\n/, 2);
  return [...answer.matchAll(/Address:\s+(\S+)/g)].map((match) => match[1] ?? "").toSorted();
}

function addressOf(host: Host, container: string, network: string, field = "IPAddress"): string {
  return docker(host, "inspect", "-f", `{{.NetworkSettings.Networks.${network}.${field}}}`, container);
}

/** Runs a program of the host as one in the container sees the network: its namespace, its resolver, a real C library. */
function inside(host: Host, container: string, command: string): string {
  const [pid = "", resolvConf = ""] = docker(
    host,
    "inspect",
    "-f",
    "{{.State.Pid}} {{.ResolvConfPath}}",
    container,
  ).split(" ");
  const script = `mount --bind ${resolvConf} /etc/resolv.conf; exec ${command}`;
  return host.run(["nsenter", "-t", pid, "--net", "unshare", "--mount", "sh", "-ec", script]);
}

beforeAll(async () => {
  await fabric.startServer();
  await Promise.all(
    [...engines].map(async ([host, engine]) => {
      await fabric.startAgent(
        host,
        "--docker",
        engine.socketPath,
        "--docker-plugin-dir",
        engine.pluginDir,
        ...upstream,
      );
      await engine.start();
      engine.loadImage();
    }),
  );
  for (const [name, ...pools] of [
    ["shop", "10.8.0.0/16", "fd08::/64"],
    ["back", "10.9.0.0/16"],
  ] as const) {
    fabric.ask(h1, "network", "create", name, "--pool", ...pools);
    for (const host of engines.keys())
      docker(
        host,
        "network",
        "create",
        "-d",
        "heddle",
        "--ipam-driver",
        "heddle",
        ...(pools.length > 1 ? ["--ipv6"] : []),
        ...pools.flatMap((pool) => ["--subnet", pool]),
        "--ipam-opt",
        `heddle.network=${name}`,
        name,
      );
  }
  const run = (host: Host, name: string, network: string, ...more: readonly string[]) =>
    docker(
      host,
      ...["run", "-d", "--name", name, "--network", network, "--stop-timeout", "1"],
      ...[...more, image, "/bin/sleep", "3600"],
    );
  run(h1, "web1", "shop", "--network-alias", "web", "-l", "heddle.service=web", "--expose", "80");
  run(
    h2,
    "web2",
    "shop",
    "--network-alias",
    "store",
    "--network-alias",
    "web",
    "-l",
    "heddle.service=web",
    "--expose",
    "80",
  );
  run(h1, "asker", "shop");
  run(h2, "asker2", "shop");
  run(h1, "other", "back");
  await waitFor("both services", () => {
    const found = fabric.ask(h1, "dns", "web.service.consul") as { readonly answers?: readonly unknown[] };
    return JSON.stringify(found).includes(addressOf(h2, "web2", "shop")) || undefined;
  });
});

afterAll(async () => {
  await Promise.all([...engines.values()].map((engine) => engine.stop()));
  await lab.dispose();
});

describe("inside a container", () => {
  test("the name of a container of another host resolves", () => {
    expect(lookUp(h1, "asker", "web2")).toEqual([addressOf(h2, "web2", "shop")]);
    expect(lookUp(h2, "asker2", "web1")).toEqual([addressOf(h1, "web1", "shop")]);
  });

  test("so does its short id, and the name with its network", () => {
    const id = docker(h2, "inspect", "-f", "{{.Id}}", "web2").slice(0, 12);
    expect(lookUp(h1, "asker", id)).toEqual([addressOf(h2, "web2", "shop")]);
    expect(lookUp(h1, "asker", "web2.shop")).toEqual([addressOf(h2, "web2", "shop")]);
    expect(lookUp(h1, "asker", "web2.shop.docker.heddle")).toEqual([addressOf(h2, "web2", "shop")]);
  });

  test("services resolve, wherever their containers run", () => {
    const both = [addressOf(h1, "web1", "shop"), addressOf(h2, "web2", "shop")].toSorted();
    for (const [host, asker] of [
      [h1, "asker"],
      [h2, "asker2"],
      [h1, "other"],
    ] as const)
      expect(lookUp(host, asker, "web.service.consul")).toEqual(both);
  });

  test("services have an address of each family that their containers have", () => {
    const both = [
      addressOf(h1, "web1", "shop", "GlobalIPv6Address"),
      addressOf(h2, "web2", "shop", "GlobalIPv6Address"),
    ].toSorted();
    for (const [host, asker] of [
      [h1, "asker"],
      [h2, "asker2"],
    ] as const)
      expect(lookUp(host, asker, "web.service.consul", "aaaa")).toEqual(both);
  });

  test("an alias resolves on every host; one of both hosts to the own by its short name, to both by its whole", () => {
    const [own1, own2] = [addressOf(h1, "web1", "shop"), addressOf(h2, "web2", "shop")];
    for (const [host, asker, own] of [
      [h1, "asker", own1],
      [h2, "asker2", own2],
    ] as const) {
      expect(lookUp(host, asker, "store")).toEqual([own2]);
      expect(lookUp(host, asker, "store", "aaaa")).toEqual([
        addressOf(h2, "web2", "shop", "GlobalIPv6Address"),
      ]);
      expect(lookUp(host, asker, "web")).toEqual([own]);
      expect(lookUp(host, asker, "web.shop.docker.heddle")).toEqual([own1, own2].toSorted());
    }
  });

  test("a name of another network does not resolve without its domain", () => {
    expect(lookUp(h1, "other", "web2")).toEqual([]);
    expect(lookUp(h1, "other", "web2.shop")).toEqual([]);
  });

  test("an address leads back to the container", () => {
    const address = addressOf(h2, "web2", "shop");
    const found = docker(h1, "exec", "asker", "/bin/nslookup", address);
    expect(found).toContain("web2.shop.docker.dc1.consul");
  });

  test("the container of another host is reached by its name", async () => {
    const serve = ["-c", "mkdir /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www"];
    docker(h2, "run", "-d", "--name", "hello", "--network", "shop", image, "/bin/sh", ...serve);
    const said = await waitFor("its answer", () =>
      inside(h1, "asker", "curl -sf --max-time 2 http://hello/"),
    );
    expect(said.trim()).toBe("hello");
  });

  test("a name is gone when its container is", async () => {
    docker(h2, "run", "-d", "--name", "brief", "--network", "shop", image, "/bin/sleep", "3600");
    await waitFor("the name", () => lookUp(h1, "asker", "brief").length === 1 || undefined);
    docker(h2, "rm", "-f", "brief");
    await waitFor("its end", () => lookUp(h1, "asker", "brief").length === 0 || undefined);
  });

  test("no list of services shows the names", () => {
    const names = JSON.parse(h1.run(["curl", "-sf", "http://127.0.0.1:8500/v1/catalog/services"])) as object;
    expect(Object.keys(names)).toEqual(["web"]);
  });
});

/** How an engine finds the plugin, and what is left on a host when Heddle is taken off it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../lab/command.ts";
import { Engine, image } from "../lab/engine.ts";
import { Fabric } from "../lab/fabric.ts";
import { Lab } from "../lab/lab.ts";

const lab = new Lab();
const host = lab.addHost("h1", 1);
const fabric = new Fabric(host);
const engine = new Engine(host);
const otherDir = join(lab.directory, "other-plugins");
const create = ["network", "create", "-d", "heddle", "--ipam-driver", "heddle", "demo"];

beforeAll(async () => {
  await engine.start();
  engine.loadImage();
  await fabric.startServer();
  await fabric.startAgent(host, "--docker", engine.socketPath, "--docker-plugin-dir", otherDir);
});

afterAll(async () => {
  await engine.stop();
  await lab.dispose();
});

test("an engine that does not see the socket finds it by the file that install writes", async () => {
  // An engine looks for a plugin for 15 s.
  const created = host.runAsync(["docker", "-H", `unix://${engine.socketPath}`, ...create], {
    timeoutMs: 60_000,
  });
  await waitFor(
    "the engine to look for it",
    () => engine.log().includes("Unable to locate plugin: heddle") || undefined,
  );
  fabric.ask(host, "docker", "install", "--plugin-dir", engine.specDir);
  expect(readFileSync(join(engine.specDir, "heddle.spec"), "utf8")).toBe(
    `unix://${host.runDir}/docker.sock\n`,
  );
  expect(await created).toMatchObject({ status: 0 });
  engine.docker(
    "run",
    "-d",
    "--network",
    "demo",
    "--name",
    "c1",
    "-p",
    "8080:80",
    image,
    "/bin/sleep",
    "1000",
  );
  expect(engine.docker("exec", "c1", "/bin/busybox", "ping", "-c1", "-W2", "10.77.1.1")).toContain(
    "1 packets received",
  );
});

test("down --purge takes sockets, interfaces and rules off a host, also after kill -9; uninstall the file", async () => {
  const userChain = () => host.run(["iptables", "-S", "DOCKER-USER"]);
  expect(userChain()).toContain("--comment heddle");
  engine.docker("rm", "-f", "c1");
  await fabric.agent(host).killHard();
  expect(existsSync(join(otherDir, "heddle.sock"))).toBe(true);
  fabric.ask(host, "down", "--purge", "--data-dir", host.dataDir);
  fabric.ask(host, "docker", "uninstall", "--plugin-dir", engine.specDir);
  expect(userChain()).not.toContain("heddle");
  expect(readdirSync(otherDir)).toEqual([]);
  expect(readdirSync(engine.specDir)).toEqual([]);
  expect(readdirSync(host.runDir).filter((name) => name.endsWith(".sock"))).toEqual([]);
  expect(host.run(["ip", "-br", "link"])).not.toMatch(/^(hd|hp|heddle)/m);
  expect(host.run(["nft", "list", "tables"])).not.toContain("heddle");
  expect(host.run(["ip", "route", "show", "proto", "72"])).toBe("");
});

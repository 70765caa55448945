/**
 * Real processes that end, freeze or lose their disk while containers come and go. Whatever was acknowledged
 * stands, no two containers have one address, and DEL leaves nothing.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { PluginRun } from "../lab/cni-runtime.ts";
import { run, tryRun, waitFor } from "../lab/command.ts";
import type { Container } from "../lab/container.ts";
import type { Host } from "../lab/host.ts";
import { ipv4Of, Stage } from "../lab/stage.ts";

const conf = JSON.stringify({ cniVersion: "1.1.0", name: "demo", type: "heddle", network: "demo" });
/** Of the design: TTL of a node's lease, and how long the catalog may take to follow. */
const [liveTtlMs, followMs] = [10_000, 3000];

let stage: Stage;
let [h2, h3]: [Host, Host] = [] as never;
let h3KilledAtMs = 0;

beforeAll(async () => {
  stage = await Stage.open({ hosts: { h1: 1, h2: 1, h3: 1 } });
  [h2, h3] = [stage.host("h2"), stage.host("h3")];
  await stage.registered(h3, { ID: "web-3", Name: "web", Port: 80 });
  await stage.resolves("web.service.consul", [h3.address], [h2]);
  await stage.fabric.agent(h3).killHard();
  h3KilledAtMs = performance.now();
});
afterAll(async () => {
  await stage?.fabric.agent(h2).killHard();
  tryRun(["umount", h2.dataDir]);
  await stage?.dispose();
});

function call(host: Host, command: "ADD" | "DEL", { attachment }: Container): Promise<PluginRun> {
  const { containerId, netns } = attachment;
  return stage
    .cni(host)
    .run(
      "heddle",
      { CNI_COMMAND: command, CNI_CONTAINERID: containerId, CNI_NETNS: netns, CNI_IFNAME: "eth0" },
      conf,
    );
}

async function leases(host: Host): Promise<{ ip: string; owner: { containerId: string } }[]> {
  return JSON.parse((await stage.http(host, "GET", "/v1/heddle/leases")).body);
}

const routes = (host: Host) => host.run(["ip", "-o", "route", "show", "proto", "72"]);
/** Blocks of IPv4 pools are /26. */
const blockOf = (ip: string) => ip.replace(/\d+$/, (last) => `${Number(last) & ~63}/26`);

async function deleted(host: Host, container: Container): Promise<void> {
  await waitFor("DEL", async () => (await call(host, "DEL", container)).status === 0 || undefined);
}

test("an agent that is killed again and again amid ADD and DEL keeps what it answered, and doubles or leaks nothing", async () => {
  const containers = Array.from({ length: 6 }, () => stage.container(h2));
  const answered = new Map<Container, string>();
  let ending = false;
  const churn = containers.map(async (container, index) => {
    while (!ending) {
      const { status, stdout } = await call(h2, "ADD", container);
      if (status === 0) {
        const ip = ipv4Of(JSON.parse(stdout));
        expect(answered.get(container) ?? ip).toBe(ip);
        answered.delete(container);
        expect([...answered.values()]).not.toContain(ip);
        answered.set(container, ip);
      }
      if (index % 2 === 0) continue;
      // The address is free as soon as the agent begins, whatever becomes of the answer.
      answered.delete(container);
      await deleted(h2, container);
    }
  });
  for (const delayMs of [0, 7, 20, 45]) {
    await new Promise((resolve) => setTimeout(resolve, 150 + delayMs));
    await stage.fabric.agent(h2).killHard();
    await stage.startAgent(h2);
  }
  ending = true;
  await Promise.all(churn);

  const held = new Map(
    (await leases(h2)).filter(({ ip }) => ip.includes(".")).map((l) => [l.owner.containerId, l.ip]),
  );
  for (const [container, ip] of answered) {
    expect(held.get(container.attachment.containerId)).toBe(ip);
    expect(container.run(["ip", "-o", "addr"])).toContain(`${ip}/32`);
  }
  for (const container of containers) await deleted(h2, container);
  expect(await leases(h2)).toEqual([]);
  // A link whose deletion a kill forestalled stands for its grace, without a route to it.
  expect(routes(h2)).not.toMatch(/ dev hd/);
});

test("SIGTERM lets an ADD under way finish; the process ends with status 0 and answers the same afterwards", async () => {
  const containers = Array.from({ length: 8 }, () => stage.container(h2));
  const adds = containers.map((container) => call(h2, "ADD", container));
  await new Promise((resolve) => setTimeout(resolve, 15));
  expect(await stage.fabric.agent(h2).stop()).toBe(0);
  const results = await Promise.all(adds);
  await stage.startAgent(h2);
  for (const [index, container] of containers.entries()) {
    const first = results[index];
    const again = await call(h2, "ADD", container);
    expect(again.status, again.stdout).toBe(0);
    if (first?.status === 0) expect(ipv4Of(JSON.parse(again.stdout))).toBe(ipv4Of(JSON.parse(first.stdout)));
    await deleted(h2, container);
  }
  expect(await leases(h2)).toEqual([]);
});

test("an agent that lost its journal starts a new term: nothing of the old one is given out again, and DEL takes it off the host", async () => {
  const old = await stage.attach(h2);
  await stage.fabric.agent(h2).killHard();
  const names = ["node.json", "identity/identity.json"].map((name) => join(h2.dataDir, name));
  const kept = names.map((name) => readFileSync(name));
  run(["mount", "-t", "tmpfs", "-o", "size=8m", "heddle-test", h2.dataDir]);
  mkdirSync(join(h2.dataDir, "identity"));
  for (const [at, name] of names.entries()) writeFileSync(name, kept[at] ?? "");
  await stage.startAgent(h2);
  const fresh = await stage.attach(h2);
  expect(blockOf(fresh.ipv4)).not.toBe(blockOf(old.ipv4));
  await deleted(h2, old.container);
  await waitFor("the old address to be off the host", () => !routes(h2).includes(`${old.ipv4} dev`));
  await deleted(h2, fresh.container);
});

test("an agent whose disk is full answers ADD with an error and leaves nothing; with room it goes on", async () => {
  const filler = join(h2.dataDir, "filler");
  const kept = await stage.attach(h2);
  tryRun(["dd", "if=/dev/zero", `of=${filler}`, "bs=4k"]);
  const container = stage.container(h2);
  const refused = await waitFor("ADD to meet the full disk", async () => {
    const { status, stdout } = await call(h2, "ADD", container);
    if (status === 0) await call(h2, "DEL", container);
    return status === 0 ? undefined : stdout;
  });
  expect(JSON.parse(refused).msg).toMatch(/journal|store|disk/i);
  expect(container.run(["ip", "-o", "link"])).not.toContain("eth0");
  rmSync(filler);
  const added = await waitFor("ADD", async () => {
    const { status, stdout } = await call(h2, "ADD", container);
    return status === 0 ? JSON.parse(stdout) : undefined;
  });
  expect(ipv4Of(added)).not.toBe(kept.ipv4);
  await deleted(h2, container);
  await deleted(h2, kept.container);
  expect(await leases(h2)).toEqual([]);
});

test("a node that was killed resolves nowhere when its lease is over", async () => {
  await waitFor(
    "web to resolve no more",
    () => stage.dig(h2, "web.service.consul").length === 0 || undefined,
    Math.max(100, h3KilledAtMs + liveTtlMs + followMs - performance.now()),
  );
  const { body } = await stage.http(h2, "GET", "/v1/health/service/web");
  const checks = (JSON.parse(body) as { Checks: { CheckID: string; Status: string }[] }[]).flatMap(
    ({ Checks }) => Checks,
  );
  expect(checks).toContainEqual(expect.objectContaining({ CheckID: "serfHealth", Status: "critical" }));
});

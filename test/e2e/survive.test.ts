/** Processes end by `kill -9` at the worst of times; containers notice nothing, and nothing is lost or doubled. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../lab/command.ts";
import type { Host } from "../lab/host.ts";
import { ipv4Of, type Member, Stage } from "../lab/stage.ts";

/** From the start of the agent's process to an answered ADD. An idle machine takes a second; this allows for a busy one. */
const addAfterStartMs = 15_000;

let stage: Stage;
let [h1, h2]: [Host, Host] = [] as never;
let [left, right]: [Member, Member] = [] as never;

beforeAll(async () => {
  stage = await Stage.open({ hosts: { h1: 1, h2: 2 } });
  [h1, h2] = [stage.host("h1"), stage.host("h2")];
  [left, right] = [await stage.attach(h1), await stage.attach(h2)];
  expect(left.container.run(["ping", "-c1", "-W3", right.ipv4])).toContain("1 received");
});
afterAll(() => stage?.dispose());

/** Both containers ping each other each 10 ms while `meanwhile` runs; answers how many echoes were lost. */
async function lostDuring(meanwhile: () => Promise<void>): Promise<number> {
  const pings = [
    left.container.start(["ping", "-q", "-i", "0.01", right.ipv4]),
    right.container.start(["ping", "-q", "-i", "0.01", left.ipv4]),
  ];
  try {
    await meanwhile();
  } finally {
    for (const ping of pings) ping.kill("SIGINT");
  }
  await Promise.all(pings.map(({ ended }) => ended));
  return pings
    .map(({ stdout }) => {
      const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(stdout) ?? [];
      if (Number(sent) < 20) throw new Error(`too few echoes to judge: ${stdout}`);
      // The last one may be under way when ping is told to end.
      return Math.max(0, Number(sent) - Number(received) - 1);
    })
    .reduce((sum, lost) => sum + lost);
}

/** Tries ADD of a new container until the agent answers it. */
async function addAsSoonAsPossible(host: Host): Promise<{ ip: string; tookMs: number }> {
  const startMs = performance.now();
  const { containerId, netns } = stage.container(host).attachment;
  const variables = {
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: "eth0",
  };
  const conf = JSON.stringify({ cniVersion: "1.1.0", name: "demo", type: "heddle", network: "demo" });
  const result = await waitFor("the agent to answer ADD", async () => {
    const { status, stdout } = await stage.cni(host).run("heddle", variables, conf);
    return status === 0 ? JSON.parse(stdout) : undefined;
  });
  return { ip: ipv4Of(result), tookMs: Math.round(performance.now() - startMs) };
}

/** Kernel rows, addresses and names of the containers are what they were, each once. */
async function expectUntouched(): Promise<void> {
  for (const { host, container, result } of [left, right]) {
    await stage.cni(host).check(container.attachment);
    expect(await stage.cni(host).add(container.attachment)).toEqual(result);
  }
  for (const host of [h1, h2]) {
    const leases = JSON.parse((await stage.http(host, "GET", "/v1/heddle/leases")).body) as { ip: string }[];
    expect(new Set(leases.map(({ ip }) => ip)).size).toBe(leases.length);
    const routes = host.run(["ip", "-o", "route", "show", "proto", "72"]).trim().split("\n");
    expect(new Set(routes).size).toBe(routes.length);
  }
}

describe("an agent that is killed", () => {
  it("takes everything up again; its containers lose no packet", async () => {
    let added = { ip: "", tookMs: 0 };
    const lost = await lostDuring(async () => {
      await stage.fabric.agent(h1).killHard();
      const agent = stage.startAgent(h1);
      added = await addAsSoonAsPossible(h1);
      await agent;
      await expectUntouched();
    });
    expect(lost).toBe(0);
    expect(added.ip).not.toBe(left.ipv4);
    expect(added.tookMs).toBeLessThan(addAfterStartMs);
    console.info(`ADD was answered ${added.tookMs} ms after the start of the agent's process`);
  });
});

describe("a server that is killed", () => {
  it("is missed by nobody: packets, ADD, names and registrations go on", async () => {
    await stage.registered(h1, { ID: "web-1", Name: "web", Address: left.ipv4, Port: 80 });
    await stage.resolves("web.service.consul", [left.ipv4]);
    const lost = await lostDuring(async () => {
      await stage.fabric.server.killHard();
      for (const host of [h1, h2]) {
        expect(stage.dig(host, "web.service.consul")).toEqual([left.ipv4]);
        expect((await stage.http(host, "GET", "/v1/agent/self")).status).toBe(200);
      }
      const extra = await stage.attach(h2);
      await stage.registered(h2, { ID: "web-2", Name: "web", Address: extra.ipv4, Port: 80 });
      expect(Object.keys(JSON.parse((await stage.http(h2, "GET", "/v1/agent/services")).body))).toEqual([
        "web-2",
      ]);

      await stage.fabric.startServer();
      await stage.resolves("web.service.consul", [left.ipv4, extra.ipv4]);
      await expectUntouched();
      expect(extra.container.run(["ping", "-c1", "-W3", left.ipv4])).toContain("1 received");
    });
    expect(lost).toBe(0);
    const { body } = await stage.http(h1, "GET", "/v1/catalog/service/web");
    expect(
      (JSON.parse(body) as { ServiceID: string }[]).map(({ ServiceID }) => ServiceID).toSorted(),
    ).toEqual(["web-1", "web-2"]);
  });

  it("is not needed for an agent to start: journal and last views serve ADD, CHECK, names and the node's services", async () => {
    const answers = stage.dig(h2, "web.service.consul");
    expect(answers).toHaveLength(2);
    await waitFor("the last change of the name to be on disk", () => {
      const log = readFileSync(join(h2.dataDir, "agent.sqlite-wal"), "latin1");
      return log.includes(`${encodeURIComponent("service/web")}/items/h2/web-2`) || undefined;
    });
    const lost = await lostDuring(async () => {
      await stage.fabric.server.killHard();
      await stage.fabric.agent(h2).killHard();
      const agent = stage.startAgent(h2);
      const { tookMs } = await addAsSoonAsPossible(h2);
      console.info(`without a server, ADD was answered ${tookMs} ms after the start of the agent's process`);
      expect(tookMs).toBeLessThan(addAfterStartMs);
      await agent;
      await expectUntouched();
      expect(stage.dig(h2, "web.service.consul")).toEqual(answers);
      expect(Object.keys(JSON.parse((await stage.http(h2, "GET", "/v1/agent/services")).body))).toEqual([
        "web-2",
      ]);
      await stage.fabric.startServer();
      await waitFor("two nodes to be alive", () => {
        const nodes = stage.fabric.ask(h1, "node", "ls") as { alive: boolean }[];
        return nodes.filter(({ alive }) => alive).length === 2 || undefined;
      });
    });
    expect(lost).toBe(0);
  });
});

/**
 * The server's store is lost while containers run on two hosts: without a backup, so that the authority is lost with it, and with one,
 * which may be of before another authority. Nobody loses a packet, every container keeps its address, and new ones get none that is held.
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../lab/command.ts";
import type { Host } from "../lab/host.ts";
import { type Member, Stage } from "../lab/stage.ts";

/** Agents wait up to ten seconds between two tries; three rounds of that on a busy machine. */
const timeoutMs = 120_000;

interface Report {
  readonly phase: string;
  readonly nodes: readonly { readonly node: string }[];
  readonly missing: readonly string[];
  readonly conflicts: readonly unknown[];
}

/** Both containers ping each other each 10 ms while `meanwhile` runs; answers how many echoes were lost. */
async function lostDuring([left, right]: readonly [Member, Member], meanwhile: () => Promise<void>) {
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

function storeOf(host: Host): string {
  return join(host.dataDir, "store.sqlite");
}

function loseStore(host: Host): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(`${storeOf(host)}${suffix}`, { force: true });
}

function report(stage: Stage, host: Host): Report {
  return stage.fabric.ask(host, "recover", "status") as Report;
}

async function gathered(stage: Stage, host: Host, nodes: readonly string[]): Promise<void> {
  const stating = waitFor(
    "the nodes to state what they hold",
    () => {
      const { phase, nodes: stated, missing } = report(stage, host);
      expect(phase).toBe("gathering");
      const names = stated.map(({ node }) => node).toSorted();
      return (missing.length === 0 && names.join() === nodes.join()) || undefined;
    },
    60_000,
  );
  await stating.catch((error: unknown) => {
    throw new Error(`${JSON.stringify(report(stage, host))}\n${stage.fabric.logs()}`, { cause: error });
  });
}

/** The servers have another authority than the nodes: these say so, and come in again by a token. */
async function letInAgain(stage: Stage, server: Host, hosts: readonly Host[]): Promise<void> {
  for (const host of hosts)
    await waitFor(
      `${host.name} to say that it does not know the authority`,
      () => stage.fabric.agent(host).stderr.includes("heddle ca reset --force") || undefined,
      60_000,
    );
  await joinAnew(stage, server, hosts);
}

async function joinAnew(stage: Stage, server: Host, hosts: readonly Host[]): Promise<void> {
  const { token } = stage.fabric.ask(server, "ca", "reset", "--force") as { token: string };
  const restart = async (host: Host) => {
    await stage.fabric.agent(host).stop();
    await stage.fabric.startAgent(host, "--join-token", token);
  };
  await Promise.all(hosts.map(restart));
}

/** An empty etcd of one member on the host; answers it as a store. */
async function startEtcd(host: Host): Promise<string> {
  const [client, peer] = ["http://127.0.0.1:2379", "http://127.0.0.1:2380"];
  const listen = ["--listen-client-urls", client, "--listen-peer-urls", peer];
  const told = ["--advertise-client-urls", client, "--initial-advertise-peer-urls", peer];
  const member = [
    "--name",
    "m0",
    "--initial-cluster",
    `m0=${peer}`,
    "--data-dir",
    join(host.dataDir, "etcd"),
  ];
  host.start(["etcd", ...member, ...listen, ...told, "--log-level=error"]);
  const health = ["etcdctl", `--endpoints=${client}`, "endpoint", "health"];
  await waitFor(
    "etcd to be healthy",
    () => host.tryRun(health, { env: { ETCDCTL_API: "3" } }).status === 0 || undefined,
  );
  return `etcd:${client}`;
}

async function connected(stage: Stage, hosts: readonly Host[]): Promise<void> {
  for (const host of hosts) {
    await waitFor(
      `${host.name} to be back at the server`,
      async () => ((await stage.http(host, "GET", "/v1/kv/?keys")).status < 500 ? true : undefined),
      60_000,
    );
  }
}

/** Addresses in use on all hosts, each once. */
async function leased(stage: Stage, hosts: readonly Host[]): Promise<readonly string[]> {
  const all: string[] = [];
  for (const host of hosts) {
    const { body } = await stage.http(host, "GET", "/v1/heddle/leases");
    all.push(...(JSON.parse(body) as { ip: string }[]).map(({ ip }) => ip));
  }
  expect(new Set(all).size).toBe(all.length);
  return all.toSorted();
}

/** Everything of before is as it was; new containers work, with addresses of their own. */
async function expectWhole(
  stage: Stage,
  members: readonly Member[],
  before: readonly string[],
): Promise<void> {
  const { hosts } = stage;
  expect(await leased(stage, hosts)).toEqual(before);
  for (const { host, container, result } of members) {
    await stage.cni(host).check(container.attachment);
    expect(await stage.cni(host).add(container.attachment)).toEqual(result);
  }
  for (const host of hosts) {
    const fresh = await stage.attach(host);
    expect(before).not.toContain(fresh.ipv4);
    for (const member of members)
      expect(fresh.container.run(["ping", "-c1", "-W3", member.ipv4])).toContain("1 received");
  }
  await leased(stage, hosts);
}

async function openStage(): Promise<Stage> {
  return Stage.open({
    hosts: { h1: 1, h2: 2 },
    // Blocks of four, so that each node needs several.
    pools: ["10.90.0.0/26"],
  });
}

describe("a store that is lost without a backup", () => {
  let stage: Stage;
  let [h1, h2]: [Host, Host] = [] as never;
  let members: Member[] = [];

  beforeAll(async () => {
    stage = await openStage();
    [h1, h2] = [stage.host("h1"), stage.host("h2")];
    for (const host of [h1, h2, h1, h2, h1, h2, h1, h2, h1, h2, h1, h2])
      members = [...members, await stage.attach(host)];
  });
  afterAll(() => stage?.dispose());

  it("is made again from what the nodes hold, while containers talk", { timeout: timeoutMs }, async () => {
    const [left, right] = members as [Member, Member];
    await stage.registered(h1, { ID: "web-1", Name: "web", Address: left.ipv4, Port: 80 });
    await stage.resolves("web.service.consul", [left.ipv4]);
    const before = await leased(stage, stage.hosts);
    const startMs = performance.now();
    const lost = await lostDuring([left, right], async () => {
      await stage.fabric.server.killHard();
      loseStore(h1);
      h1.run(h1.heddle("recover", "begin", "--store", `sqlite:${storeOf(h1)}`));
      await stage.fabric.startServer();
      await letInAgain(stage, h1, [h1, h2]);
      await gathered(stage, h1, ["h1", "h2"]);
      // Nothing is given and nobody is let in until the operator says so.
      expect((await stage.http(h2, "GET", "/v1/kv/?keys")).status).toBe(500);
      stage.fabric.ask(h1, "recover", "finish");
      await connected(stage, [h1, h2]);
      console.info(`headless for ${Math.round(performance.now() - startMs)} ms`);
      await stage.resolves("web.service.consul", [left.ipv4]);
      await expectWhole(stage, members, before);
    });
    expect(lost).toBe(0);
    expect(report(stage, h1).phase).toBe("done");
  });

  it("is not finished over a node that is missing, also over another engine than before", {
    timeout: timeoutMs,
  }, async () => {
    await stage.fabric.server.killHard();
    await stage.fabric.agent(h2).killHard();
    const before = await leased(stage, [h1]);
    const store = await startEtcd(h1);
    h1.run(h1.heddle("recover", "begin", "--store", store));
    await stage.fabric.startServer("--store", store);
    await joinAnew(stage, h1, [h1]);
    await waitFor(
      "the node that is left to state what it holds",
      () => report(stage, h1).nodes.some(({ node }) => node === "h1") || undefined,
    );
    expect(report(stage, h1).missing).toEqual(["h2"]);
    const refused = h1.tryRun(h1.heddle("recover", "finish"));
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("h2")]);
    const { token } = stage.fabric.ask(h1, "token", "create") as { token: string };
    await stage.fabric.startAgent(h2, "--join-token", token);
    await gathered(stage, h1, ["h1", "h2"]);
    stage.fabric.ask(h1, "recover", "finish");
    await connected(stage, [h1, h2]);
    expect(await leased(stage, [h1])).toEqual(before);
    const [fresh, far] = [await stage.attach(h1), members[1] as Member];
    expect(fresh.container.run(["ping", "-c1", "-W3", far.ipv4])).toContain("1 received");
  });
});

describe("a store that is lost with a backup", () => {
  let stage: Stage;
  let [h1, h2]: [Host, Host] = [] as never;
  let members: Member[] = [];

  beforeAll(async () => {
    stage = await openStage();
    [h1, h2] = [stage.host("h1"), stage.host("h2")];
    for (const host of [h1, h2, h1, h2]) members = [...members, await stage.attach(host)];
  });
  afterAll(() => stage?.dispose());

  const archive = () => join(h1.dataDir, "backup.heddle");

  it("is the same fabric again: keys, trust, networks, and addresses that were handed out after the backup", {
    timeout: timeoutMs,
  }, async () => {
    const [left, right] = members as [Member, Member];
    expect((await stage.http(h1, "PUT", "/v1/kv/a?flags=7", "1")).status).toBe(200);
    const session = JSON.parse((await stage.http(h1, "PUT", "/v1/session/create", { TTL: "60s" })).body) as {
      ID: string;
    };
    expect((await stage.http(h1, "PUT", `/v1/kv/lock?acquire=${session.ID}`, "held")).body.trim()).toBe(
      "true",
    );
    await stage.http(h1, "PUT", "/v1/catalog/register", {
      Node: "printer",
      Address: "192.0.2.9",
      Service: { Service: "print", Port: 9100 },
    });
    await stage.registered(h2, { ID: "web-1", Name: "web", Address: right.ipv4, Port: 80 });
    stage.fabric.ask(h1, "network", "create", "other", "--pool", "10.91.0.0/24");
    h1.run(h1.heddle("snapshot", "save", archive(), "--all"));
    const [head = ""] = gunzipSync(readFileSync(archive())).toString().split("\n");
    expect(JSON.parse(head)).toMatchObject({ version: 2, content: "whole" });
    // Only the socket of a server hands it out.
    expect((await stage.http(h2, "GET", "/v1/heddle/backup")).status).toBe(403);

    for (const host of [h1, h2, h1, h2, h1, h2, h1, h2]) members = [...members, await stage.attach(host)];
    const before = await leased(stage, stage.hosts);
    const lost = await lostDuring([left, right], async () => {
      await stage.fabric.server.killHard();
      loseStore(h1);
      h1.run(h1.heddle("snapshot", "restore", archive(), "--store", `sqlite:${storeOf(h1)}`));
      await stage.fabric.startServer();
      await gathered(stage, h1, ["h1", "h2"]);
      stage.fabric.ask(h1, "recover", "finish");
      await connected(stage, [h1, h2]);
      await expectWhole(stage, members, before);
    });
    expect(lost).toBe(0);
    expect(await stage.http(h2, "GET", "/v1/kv/a?raw")).toMatchObject({ status: 200, body: "1" });
    const [lock] = JSON.parse((await stage.http(h2, "GET", "/v1/kv/lock")).body) as { Session?: string }[];
    expect(lock).not.toHaveProperty("Session");
    expect(JSON.parse((await stage.http(h2, "GET", `/v1/session/info/${session.ID}`)).body)).toEqual([]);
    expect(JSON.parse((await stage.http(h2, "GET", "/v1/catalog/service/print")).body)).toHaveLength(1);
    await stage.resolves("web.service.consul", [right.ipv4]);
    const networks = stage.fabric.ask(h1, "network", "ls") as { name: string }[];
    expect(networks.map(({ name }) => name)).toEqual(["default", "demo", "other"]);
  });

  it("is saved and put back while no server runs as well, and only into an empty store", {
    timeout: timeoutMs,
  }, async () => {
    await joinAnew(stage, h1, [h1, h2]);
    await stage.fabric.server.killHard();
    const offline = join(h1.dataDir, "offline.heddle");
    const store = `sqlite:${storeOf(h1)}`;
    h1.run(h1.heddle("snapshot", "save", offline, "--all", "--store", store));
    const full = h1.tryRun(h1.heddle("snapshot", "restore", offline, "--store", store));
    expect([full.status, full.stderr]).toEqual([1, expect.stringContaining("DAEMON_STORE_IN_USE")]);
    const wrong = h1.tryRun(h1.heddle("snapshot", "save", offline, "--all", "--store", `${store}x`));
    expect([wrong.status, wrong.stderr]).toEqual([4, expect.stringContaining("CLI_NOT_FOUND")]);
    const online = h1.tryRun(h1.heddle("snapshot", "restore", offline));
    expect([online.status, online.stderr]).toEqual([2, expect.stringContaining("--store")]);
    h1.run(h1.heddle("snapshot", "restore", offline, "--store", `${store}.copy`));
    loseStore(h1);
    // It has another authority than the nodes by now, as after a rotation.
    h1.run(h1.heddle("snapshot", "restore", archive(), "--store", store));
    await stage.fabric.startServer();
    await joinAnew(stage, h1, [h1, h2]);
    await gathered(stage, h1, ["h1", "h2"]);
    stage.fabric.ask(h1, "recover", "finish");
    await connected(stage, [h1, h2]);
    expect(await stage.http(h2, "GET", "/v1/kv/a?raw")).toMatchObject({ status: 200, body: "1" });
  });
});

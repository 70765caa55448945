/**
 * Disks that are really full, and one that cannot be written to: small file systems below a server's store and an agent's
 * journal. What cannot be written is refused in words, nothing acknowledged is lost, containers talk, and with room
 * again everything goes on without a restart.
 */
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run, waitFor } from "../lab/command.ts";
import type { Host } from "../lab/host.ts";
import { type Member, Stage } from "../lab/stage.ts";
import { requireWorld } from "../world.ts";

const timeoutMs = 120_000;
const conf = JSON.stringify({ cniVersion: "1.1.0", name: "demo", type: "heddle", network: "demo" });

let [serverDisk, agentDisk] = ["", ""];
let stage: Stage;
let [h1, h2]: [Host, Host] = [] as never;

function smallDisk(): string {
  const directory = mkdtempSync(join(tmpdir(), "heddle-disk-"));
  run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", directory]);
  return directory;
}

/** Takes every byte that is left; answers how to give them back. */
function fill(directory: string): () => void {
  const ballast = join(directory, "ballast");
  for (let part = 0; ; part++) {
    const { bavail, bsize } = statfsSync(directory);
    if (bavail === 0) break;
    writeFileSync(`${ballast}${part}`, new Uint8Array(bavail * bsize));
  }
  return () => {
    for (let part = 0; part < 100; part++) rmSync(`${ballast}${part}`, { force: true });
  };
}

const serverStore = () => ["--store", `sqlite:${join(serverDisk, "store.sqlite")}`];

beforeAll(async () => {
  requireWorld();
  [serverDisk, agentDisk] = [smallDisk(), smallDisk()];
  stage = await Stage.open({
    hosts: { h1: 1, h2: 2 },
    server: serverStore(),
    agent: ({ name }) => (name === "h2" ? ["--data-dir", agentDisk] : []),
  });
  [h1, h2] = [stage.host("h1"), stage.host("h2")];
}, timeoutMs);
afterAll(async () => {
  await stage?.dispose();
  for (const directory of [serverDisk, agentDisk]) {
    if (directory === "") continue;
    run(["umount", "-l", directory]);
    rmSync(directory, { recursive: true, force: true });
  }
});

/** ADD as a runtime calls it: the address, or why there is none. */
async function add(host: Host): Promise<{ readonly status: number; readonly text: string }> {
  const { containerId, netns } = stage.container(host).attachment;
  const variables = {
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: containerId,
    CNI_NETNS: netns,
    CNI_IFNAME: "eth0",
  };
  const { status, stdout } = await stage.cni(host).run("heddle", variables, conf);
  return { status: status ?? -1, text: stdout };
}

async function leases(host: Host): Promise<readonly string[]> {
  const { body } = await stage.http(host, "GET", "/v1/heddle/leases");
  return (JSON.parse(body) as { ip: string }[]).map(({ ip }) => ip).toSorted();
}

describe("an agent on a full disk", () => {
  it("refuses ADD in words, lets containers talk, and goes on when there is room", {
    timeout: timeoutMs,
  }, async () => {
    const [left, right]: [Member, Member] = [await stage.attach(h1), await stage.attach(h2)];
    const free = fill(agentDisk);
    let refused = { status: 0, text: "" };
    // What the journal's file has room for is still given.
    for (let tries = 0; refused.status === 0 && tries < 200; tries++) refused = await add(h2);
    expect(refused.status).not.toBe(0);
    expect(JSON.parse(refused.text)).toMatchObject({ msg: expect.stringMatching(/journal|disk|store/) });
    expect(left.container.run(["ping", "-c3", "-W3", right.ipv4])).toContain("3 received");
    const held = await leases(h2);
    expect(new Set(held).size).toBe(held.length);
    free();
    const again = await add(h2);
    expect([again.status, again.text]).toEqual([0, expect.stringContaining("10.90.")]);
    const before = await leases(h2);
    expect(before).toEqual(expect.arrayContaining([...held]));
    await stage.fabric.agent(h2).killHard();
    await stage.startAgent(h2);
    expect(await leases(h2)).toEqual(before);
    await stage.cni(h2).check(right.container.attachment);
  });
});

describe("a server on a full disk", () => {
  it("refuses writes, answers reads, and has everything that it acknowledged", {
    timeout: timeoutMs,
  }, async () => {
    expect((await stage.http(h1, "PUT", "/v1/kv/before", "1")).status).toBe(200);
    const free = fill(serverDisk);
    const value = "x".repeat(100_000);
    const acknowledged = ["before"];
    let refused = { status: 200, body: "" };
    for (let at = 0; at < 200; at++) {
      refused = await stage.http(h1, "PUT", `/v1/kv/k/${at}`, value);
      if (refused.status !== 200) break;
      acknowledged.push(`k/${at}`);
    }
    expect([refused.status, refused.body]).toEqual([500, expect.stringContaining("full")]);
    expect(JSON.parse((await stage.http(h1, "GET", "/v1/kv/?keys")).body)).toEqual(acknowledged.toSorted());
    free();
    expect((await stage.http(h1, "PUT", "/v1/kv/later", "1")).status).toBe(200);
    await stage.fabric.server.killHard();
    await stage.fabric.startServer(...serverStore());
    const keys = await waitFor(
      "the agent to be back at its server",
      async () => {
        const { status, body } = await stage.http(h1, "GET", "/v1/kv/?keys");
        return status === 200 ? (JSON.parse(body) as string[]) : undefined;
      },
      60_000,
    );
    expect(keys).toEqual([...acknowledged, "later"].toSorted());
  });

  it("does not start where it cannot write, says so, and starts when it can", {
    timeout: timeoutMs,
  }, async () => {
    await stage.fabric.server.killHard();
    run(["mount", "-o", "remount,ro", serverDisk]);
    await expect(stage.fabric.startServer(...serverStore())).rejects.toThrow(
      /store\.sqlite.*\[STORE_|\bSTORE_/s,
    );
    run(["mount", "-o", "remount,rw", serverDisk]);
    await stage.fabric.startServer(...serverStore());
  });
});

/** The fabric's authority in the hands of an operator: rotated while everything runs, and lost. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, it } from "vitest";
import { waitFor } from "../lab/command.ts";
import type { Host } from "../lab/host.ts";
import { Stage } from "../lab/stage.ts";

/** Each of them starts many commands and processes, on whatever machine it is. */
const patienceMs = 180_000;
let stage: Stage;
let [h1, h2]: [Host, Host] = [] as never;

beforeAll(async () => {
  stage = await Stage.open({
    hosts: { h1: 1, h2: 1 },
    agent: (host) => (host.name === "h2" ? ["--https", `${host.address}:8501`] : []),
  });
  [h1, h2] = [stage.host("h1"), stage.host("h2")];
});
afterAll(() => stage?.dispose());

interface AuthorityStatus {
  readonly step: string;
  readonly nodes: number;
  readonly waitsFor: number;
  readonly authorities: readonly { readonly fingerprint: string; readonly role: string }[];
}

const statusOf = () => stage.fabric.ask(h1, "ca", "status") as AuthorityStatus;

function isConnected(host: Host): boolean {
  const { components } = stage.fabric.ask(host, "status") as {
    components: readonly { readonly name: string; readonly state: string }[];
  };
  return components.find(({ name }) => name === "server")?.state === "ok";
}

function saved(text: string): string {
  const path = join(mkdtempSync(join(tmpdir(), "heddle-ca-")), "ca.pem");
  writeFileSync(path, text);
  return path;
}

it(
  "is rotated while agents are connected; clients of HTTPS that know the former one are led to the next",
  async () => {
    const before = statusOf();
    expect(before).toMatchObject({ step: "steady", nodes: 2, authorities: [{ role: "signs" }] });
    const bundle = saved(h2.run(h2.heddle("ca", "show")));
    expect(h1.run(h1.heddle("ca", "rotate"))).toMatch(/ca status/);
    const second = h1.tryRun(h1.heddle("ca", "rotate"));
    expect([second.status, second.stderr]).toEqual([
      1,
      expect.stringContaining("CONTROL_ROTATION_UNDER_WAY"),
    ]);
    expect(h1.run(h1.heddle("ca", "status"))).toMatch(/(made known|move to the next one|steady); 2 nodes/);
    await waitFor("the rotation to end", () => statusOf().step === "steady" || undefined, 60_000);
    expect(statusOf().authorities).toHaveLength(1);
    expect(statusOf().authorities[0]?.fingerprint).not.toBe(before.authorities[0]?.fingerprint);
    for (const host of [h1, h2]) expect(isConnected(host)).toBe(true);
    expect(stage.fabric.logs()).not.toMatch(/disconnected/);
    const curl = (ca: string) =>
      h1.tryRun(["curl", "-sS", "--cacert", ca, `https://${h2.address}:8501/v1/status/leader`]);
    expect(curl(bundle)).toMatchObject({ status: 0 });
    expect(curl(saved(h2.run(h2.heddle("ca", "show"))))).toMatchObject({ status: 0 });
  },
  patienceMs,
);

it(
  "is reset after it was lost: nodes come in again by one token, with their containers and addresses",
  async () => {
    const [near, far] = [await stage.attach(h1), await stage.attach(h2)];
    const refused = h1.tryRun(h1.heddle("ca", "reset"));
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining("--force")]);
    const elsewhere = h2.tryRun(h2.heddle("ca", "reset", "--force"));
    expect([elsewhere.status, elsewhere.stderr]).toEqual([1, expect.stringContaining("API_SOCKET_ONLY")]);
    const { token } = stage.fabric.ask(h1, "ca", "reset", "--force") as { token: string };
    for (const host of [h1, h2]) {
      await waitFor(`${host.name} to be cut off`, () => !isConnected(host) || undefined);
      await stage.fabric.agent(host).stop();
      await stage.fabric.startAgent(host, "--join-token", token);
      await waitFor(`${host.name} to be in again`, () => isConnected(host) || undefined);
    }
    near.container.run(["ping", "-c", "1", "-W", "5", far.ipv4]);
    far.container.run(["ping", "-c", "1", "-W", "5", near.ipv4]);
  },
  patienceMs,
);

it(
  "is missed where it is gone from the store, and a server that starts says what to do",
  async () => {
    await stage.fabric.server.stop();
    const store = new DatabaseSync(join(h1.dataDir, "store.sqlite"));
    expect(store.prepare("DELETE FROM items WHERE key = ?").run("trust/authority").changes).toBe(1);
    store.close();
    const server = await stage.fabric.startServer();
    await waitFor("the log", () => server.stderr.includes("CONTROL_AUTHORITY_LOST") || undefined);
    const shown = h1.tryRun(h1.heddle("ca", "status"));
    expect([shown.status, shown.stderr]).toEqual([1, expect.stringMatching(/heddle ca reset/)]);
    const { token } = stage.fabric.ask(h1, "ca", "reset", "--force") as { token: string };
    await stage.fabric.agent(h2).stop();
    await stage.fabric.startAgent(h2, "--join-token", token);
    await waitFor("h2 to be in again", () => isConnected(h2) || undefined);
  },
  patienceMs,
);

/** Nodes join by token over mutual TLS, speak for themselves only, and are out when they are revoked. */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { waitFor } from "../lab/command.ts";
import type { Host } from "../lab/host.ts";
import { Sniffer } from "../lab/sniffer.ts";
import { Stage } from "../lab/stage.ts";

let stage: Stage;
let [h1, h2]: [Host, Host] = [] as never;

beforeAll(async () => {
  stage = await Stage.open({ hosts: { h1: 1, h2: 2 } });
  [h1, h2] = [stage.host("h1"), stage.host("h2")];
});
afterAll(() => stage?.dispose());

interface Server {
  readonly name: string;
  readonly state: string;
  readonly summary: string;
}

function serverOf(host: Host): Server | undefined {
  const { components } = stage.fabric.ask(host, "status") as { components: readonly Server[] };
  return components.find(({ name }) => name === "server");
}

it("nothing of what agent and server say can be read on the way", async () => {
  const sniffer = await Sniffer.start(h2.netns, "eth0", "tcp port 8502", "-A");
  await stage.registered(h2, { ID: "secret-1", Name: "very-secret-name", Port: 80 });
  await waitFor("packets", () => sniffer.lines.length > 4 || undefined);
  await sniffer.stop();
  expect(sniffer.lines.join("\n")).not.toContain("very-secret-name");
});

it("a token is made at a server's socket only, and is no file that others can read", async () => {
  const refused = h2.tryRun(h2.heddle("token", "create"));
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("API_SOCKET_ONLY")]);
  const { status, body } = await stage.http(h1, "POST", "/v1/heddle/tokens", "{}");
  expect([status, body]).toEqual([403, expect.stringContaining("API_SOCKET_ONLY")]);
  const { key } = JSON.parse(readFileSync(join(h2.dataDir, "identity/identity.json"), "utf8")) as {
    key: string;
  };
  expect(key).toContain("PRIVATE KEY");
});

it("a node that is revoked is out at once, and in again by a token of its own", async () => {
  stage.fabric.ask(h1, "node", "revoke", "h2");
  await waitFor("h2 to be out", () => serverOf(h2)?.state === "degraded" || undefined);
  await stage.fabric.agent(h2).killHard();
  rmSync(join(h2.dataDir, "identity"), { recursive: true });
  // The fabric's token is for new names.
  await stage.startAgent(h2);
  await waitFor("the refusal", () => serverOf(h2)?.summary.includes("--node") || undefined);
  await stage.fabric.agent(h2).killHard();
  const { token } = stage.fabric.ask(h1, "token", "create", "--node", "h2") as { token: string };
  await stage.fabric.startAgent(h2, "--join-token", token);
  await waitFor("h2 to be in", () => serverOf(h2)?.state === "ok" || undefined);
});

it("what is no token is refused before anything starts", () => {
  const { status, stderr } = h2.tryRun([
    ...h2.heddle("agent", "--server", "10.77.1.10:8502", "--join-token", "hunter2"),
    ...["--data-dir", `${h2.dataDir}-other`, "--run-dir", `${h2.dataDir}-run`],
  ]);
  expect([status, stderr]).toEqual([1, expect.stringContaining("CONTROL_TOKEN_INVALID")]);
  expect(stderr).not.toContain("hunter2");
});

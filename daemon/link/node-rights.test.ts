/** An agent's rights by what servers say: asked once, kept while nobody answers, over a restart too. */
import { expect, onTestFinished, test } from "vitest";
import type { ApiRequest, ApiResponse, RightsAnswer } from "../../api/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { Rights } from "../../registry/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { NodeRights, tokenTtlMs } from "./node-rights.ts";

type Said = RightsAnswer | "unknown" | "gone";

const denying: RightsAnswer = { enabled: true, accessor: "", defaultAccess: "deny", rules: [] };
const reading: RightsAnswer = {
  ...denying,
  accessor: "a",
  rules: [{ resource: "service", match: "prefix", name: "", access: "read" }],
};
const off: RightsAnswer = { ...denying, enabled: false };

async function agent(says: Record<string, Said>, journal = new MemoryStore()) {
  const clock = new ManualClock();
  const asked: string[] = [];
  const ask = async (request: ApiRequest): Promise<ApiResponse> => {
    const secret = String(request.headers["x-consul-token"] ?? "");
    if (request.target.includes("index="))
      return new Promise((_, reject) => request.signal?.addEventListener("abort", () => reject(gone())));
    asked.push(secret);
    const said = says[secret] ?? "unknown";
    if (said === "gone") throw gone();
    if (said === "unknown") return { status: 403, headers: {}, body: "ACL not found" };
    return { status: 200, headers: { "x-consul-index": "7" }, body: JSON.stringify(said) };
  };
  const log = () => undefined;
  const rights = await NodeRights.open({ ask, clock, journal, ownToken: "", onConnected: () => log, log });
  const following = rights.follow();
  onTestFinished(async () => {
    rights.close();
    await following;
  });
  return { rights, says, asked, clock, journal };
}

function gone(): FabricError {
  return new FabricError("CONTROL_UNAVAILABLE", "forward: no server");
}

async function reads(rights: NodeRights, secret: string): Promise<boolean> {
  const found: Rights = await rights.of(secret);
  return found.allows("service", "web", "read");
}

test("a token is asked for once, and again when its time is over", async () => {
  const { rights, asked, clock } = await agent({ "": denying, t: reading });
  expect(await reads(rights, "")).toBe(false);
  expect(await reads(rights, "t")).toBe(true);
  expect(await reads(rights, "t")).toBe(true);
  expect(asked.filter((secret) => secret === "t")).toHaveLength(1);
  await clock.advance(tokenTtlMs + 1);
  expect(await reads(rights, "t")).toBe(true);
  expect(asked.filter((secret) => secret === "t")).toHaveLength(2);
});

test("without a server a known token goes on, and a new one is refused", async () => {
  const { rights, says, clock } = await agent({ "": denying, t: reading });
  expect(await reads(rights, "t")).toBe(true);
  for (const secret of ["t", "new"]) says[secret] = "gone";
  await clock.advance(tokenTtlMs + 1);
  expect(await reads(rights, "t")).toBe(true);
  await expect(reads(rights, "new")).rejects.toMatchObject({ code: "API_NO_SERVER" });
});

test("a token that is taken back is refused, and not kept", async () => {
  const { rights, says, clock } = await agent({ "": denying, t: reading });
  expect(await reads(rights, "t")).toBe(true);
  says["t"] = "unknown";
  await clock.advance(tokenTtlMs + 1);
  await expect(reads(rights, "t")).rejects.toMatchObject({ code: "REGISTRY_TOKEN_UNKNOWN" });
  says["t"] = "gone";
  await expect(reads(rights, "t")).rejects.toMatchObject({ code: "API_NO_SERVER" });
});

test("where tokens are off nobody is asked again", async () => {
  const { rights, asked } = await agent({ "": off });
  expect(await reads(rights, "")).toBe(true);
  expect(await reads(rights, "t")).toBe(true);
  expect(asked).toEqual([""]);
});

test("what was known of the own token holds after a restart without a server", async () => {
  const first = await agent({ "": reading });
  expect(await reads(first.rights, "")).toBe(true);
  await expect.poll(() => first.journal.range("acl-rights").then(({ items }) => items.length)).toBe(1);
  first.rights.close();
  const second = await agent({ "": "gone" }, first.journal);
  expect(await reads(second.rights, "")).toBe(true);
});

test("a node that never met a server does not say what is allowed", async () => {
  const { rights, clock } = await agent({ "": "gone" });
  const own = expect(rights.own).rejects.toMatchObject({ code: "API_NO_SERVER" });
  const asked = reads(rights, "");
  const refused = expect(asked).rejects.toMatchObject({ code: "API_NO_SERVER" });
  await Promise.resolve();
  await clock.advance(2001);
  await Promise.all([own, refused]);
});

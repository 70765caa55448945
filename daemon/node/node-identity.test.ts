/** A node stays who it is, and says plainly when it cannot. */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { MemoryKernel } from "../../kernel/index.ts";
import { nodeIdentity } from "./node-identity.ts";

const root = mkdtempSync(join(tmpdir(), "heddle-identity-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const identityIn = (dataDir: string) => nodeIdentity(new MemoryKernel(), { dataDir, node: "n1" });

describe("who a node is", () => {
  test("is made once, for its owner's eyes, and kept", async () => {
    const dataDir = join(root, "kept");
    const first = await identityIn(dataDir);
    expect(await identityIn(dataDir)).toEqual(first);
    expect(statSync(join(dataDir, "node.json")).mode & 0o777).toBe(0o600);
    expect((await identityIn(join(root, "other"))).id).not.toBe(first.id);
  });

  test.each([
    ["nothing", ""],
    ["half of it", '{"id":"a","vtep'],
    ["another thing", '"text"'],
    ["no MAC address", '{"id":"a"}'],
    ["a MAC address that is none", '{"id":"a","vtepMac":"x"}'],
  ])("is not guessed from a file with %s", async (_what, text) => {
    const dataDir = mkdtempSync(join(root, "damaged-"));
    writeFileSync(join(dataDir, "node.json"), text);
    await expect(identityIn(dataDir)).rejects.toMatchObject({
      code: "DAEMON_IDENTITY_DAMAGED",
      details: { path: join(dataDir, "node.json") },
    });
  });

  test("is not begun where it cannot be kept", async () => {
    const dataDir = join(root, "unwritable");
    mkdirSync(join(dataDir, `node.json.${process.pid}.tmp`), { recursive: true });
    await expect(identityIn(dataDir)).rejects.toMatchObject({ code: "FILES_WRITE_FAILED" });
  });
});

/** A file system that is really full: a small tmpfs in the test's own mount namespace. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { requireWorld } from "../../test/world.ts";
import { SqliteStore } from "./sqlite-store.ts";

let directory: string | undefined;

beforeAll(() => {
  requireWorld();
  directory = mkdtempSync(join(tmpdir(), "heddle-full-"));
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", directory]);
});
afterAll(() => {
  if (directory === undefined) return;
  execFileSync("umount", [directory]);
  rmSync(directory, { recursive: true });
});

function put(store: SqliteStore, key: string, bytes: number) {
  return store.txn({ success: [{ op: "put", key, value: new Uint8Array(bytes).fill(7) }] });
}

it("a store on a full file system undoes what it cannot write and goes on when there is room", async () => {
  const path = join(String(directory), "store.db");
  const ballast = join(String(directory), "ballast");
  const store = await SqliteStore.open(path);
  await put(store, "first", 1000);
  writeFileSync(ballast, new Uint8Array(1_500_000));

  let acknowledged = 0;
  let refused: unknown;
  while (refused === undefined) {
    await put(store, `k/${acknowledged}`, 20_000).then(
      () => acknowledged++,
      (error: unknown) => {
        refused = error;
      },
    );
  }
  expect(refused).toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect((await store.range("k/")).items).toHaveLength(acknowledged);

  rmSync(ballast);
  await put(store, "last", 1000);
  const before = await store.range("");
  await store.close();
  const again = await SqliteStore.open(path);
  expect(await again.range("")).toEqual(before);
  await again.close();
});

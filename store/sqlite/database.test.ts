import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { Database } from "./database.ts";
import type { Changes, ItemRow } from "./protocol.ts";

let directory: string;
let database: Database;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "heddle-store-"));
  database = Database.open({ path: join(directory, "store.db"), fileBytesMax: 1 << 20, newId: "id" });
});
afterEach(() => {
  database.close();
  rmSync(directory, { recursive: true });
});

function changes(revision: number, ...puts: readonly Partial<ItemRow>[]): Changes {
  const rows = puts.map(
    (row) => ({ createRevision: 2, modRevision: 2, version: 1, lease: null, ...row }) as ItemRow,
  );
  return { revision, puts: rows, deletes: [], leasesGranted: [], leasesEnded: [] };
}

it("a commit that fails half-way leaves nothing behind, and the next one works", () => {
  const good = { key: "good", value: new Uint8Array(1) };
  // No value: the table refuses it after the first row went in.
  expect(() =>
    database.commit(changes(2, good, { key: "bad", value: null as unknown as Uint8Array })),
  ).toThrow();
  expect([[...database.items()], database.head().revision]).toEqual([[], 1]);
  database.commit(changes(2, good));
  expect([[...database.items()].map((row) => row.key), database.head().revision]).toEqual([["good"], 2]);
});

it("a lease granted and ended in one group is gone", () => {
  const group = {
    ...changes(1),
    leasesGranted: [
      { id: "a", ttlMs: 1 },
      { id: "b", ttlMs: 1 },
    ],
    leasesEnded: ["a"],
  };
  database.commit(group);
  expect(database.head().leases).toEqual([{ id: "b", ttlMs: 1 }]);
});

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MemoryStore, openStore, SqliteStore } from "./index.ts";

describe("openStore()", () => {
  it("opens memory and sqlite:PATH", async () => {
    const directory = mkdtempSync(join(tmpdir(), "heddle-store-"));
    expect(await openStore("memory")).toBeInstanceOf(MemoryStore);
    const store = await openStore(`sqlite:${directory}/a:b.db`);
    expect(store).toBeInstanceOf(SqliteStore);
    await store.close();
    rmSync(directory, { recursive: true });
  });

  it.each(["", "sqlite", "sqlite:", "Memory", "memory:", "postgres:x", "/var/lib/store.db"])(
    "refuses %j and names what there is",
    async (spec) => {
      await expect(openStore(spec)).rejects.toMatchObject({
        code: "STORE_UNKNOWN_ENGINE",
        message: expect.stringContaining('"memory" or "sqlite:PATH"'),
      });
    },
  );
});

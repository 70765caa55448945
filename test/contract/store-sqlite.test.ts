import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "../../clock/index.ts";
import { SqliteStore } from "../../store/index.ts";
import { storeContract } from "./store.ts";

storeContract("sqlite", async (limits = {}) => {
  const directory = mkdtempSync(join(tmpdir(), "heddle-store-"));
  const clock = new ManualClock();
  const store = await SqliteStore.open(join(directory, "store.db"), { clock, limits });
  return {
    store,
    elapse: (ms) => clock.advance(ms),
    dispose: async () => {
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
});

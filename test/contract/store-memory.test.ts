import { ManualClock } from "../../clock/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { storeContract } from "./store.ts";

storeContract("memory", async (limits = {}) => {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock, limits });
  return { store, elapse: (ms) => clock.advance(ms), dispose: () => store.close() };
});

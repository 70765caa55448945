/** Follows the log: a blocking query on the key that comes next, and now and then a look whether it was trimmed away. */
import { FabricError } from "../../errors/index.ts";
import type { WatchHub } from "../core/watch-hub.ts";
import type { ConsulApi } from "./consul-api.ts";
import type { LogKeys } from "./log-keys.ts";
import { Repeat, type RepeatOptions } from "./repeat.ts";
import type { Replica } from "./replica.ts";

export interface LogTailOptions extends Pick<RepeatOptions, "clock" | "limits"> {
  readonly api: ConsulApi;
  readonly keys: LogKeys;
  readonly hub: WatchHub;
  readonly replica: Replica;
}

export function followLog(options: LogTailOptions): Repeat {
  const { api, keys, hub, replica } = options;
  let index = "0";
  return new Repeat({
    ...options,
    turn: async (signal) => {
      const seq = replica.held.seq + 1;
      const next = await api.blockOn(keys.entry(seq), index, signal);
      // Consul asks to begin anew when its index went back.
      index = Number(next.index) < Number(index) ? "0" : next.index;
      if (next.value !== undefined) replica.apply(seq, next.value);
      else await replica.catchUp();
      hub.resume();
    },
    failed: (error) =>
      hub.interrupt(
        error instanceof FabricError
          ? error
          : new FabricError("STORE_UNAVAILABLE", "follow the log in Consul: it failed", { cause: error }),
      ),
  });
}

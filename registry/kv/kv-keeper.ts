/** Deletes the keys whose time is over, and ends the leases that no key has any more. */
import { Keeper, type KeeperOptions } from "../keeper.ts";
import type { RegistryWrites } from "../writes.ts";
import { partedLeaseTopic as prefix } from "./kv-times.ts";

export function keepKeyTimes(options: KeeperOptions<Pick<RegistryWrites, "endKeyTime">>): Keeper {
  const { registry, writer } = options;
  return new Keeper(options, {
    all: () => registry.keyLeases(),
    touchedBy: (topic) => (topic.startsWith(prefix) ? [topic.slice(prefix.length)] : []),
    isDue: (lease) => {
      const { key, lasts } = registry.keyTime(lease);
      return (key !== undefined) !== lasts;
    },
    end: (lease) => writer.endKeyTime(lease),
  });
}

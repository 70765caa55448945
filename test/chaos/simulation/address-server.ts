/** The address plan's side of a server: a `PoolAuthority` that lives and dies with the process and reclaims by itself. */
import { PoolAuthority } from "../../../ipam/index.ts";
import type { Store } from "../../../store/index.ts";
import type { Life } from "./life.ts";
import type { World } from "./world.ts";

export const reclaimAfterMs = 100_000;
export const marginMs = 10_000;
const reclaimEveryMs = 20_000;

export function startAuthority(world: World, life: Life, store: Store): PoolAuthority {
  const authority = new PoolAuthority(store, life.clock, { reclaimAfterMs });
  const tick = () => {
    life.clock.setTimer(reclaimEveryMs, tick);
    world.start(authority.reclaimTick());
  };
  life.clock.setTimer(reclaimEveryMs, tick);
  return authority;
}

/** What every engine takes besides its place: time, limits and names, handed in. */
import type { Clock } from "../../clock/index.ts";
import type { StoreLimits } from "./limits.ts";

export interface StoreOptions {
  /** Times leases. Default: the system's. */
  readonly clock?: Clock;
  readonly limits?: Partial<StoreLimits>;
  /** Makes the ids of stores and leases; unique, without spaces. Default: random UUIDs. */
  readonly newId?: () => string;
}

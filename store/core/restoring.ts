/** What callers of an engine are told while a replacement is under way that takes more than one step. */
import { FabricError } from "../../errors/index.ts";

/** Nothing happened. */
export function restoring(action: string): FabricError {
  return new FabricError(
    "STORE_UNAVAILABLE",
    `${action}: a snapshot is being restored, and nobody else writes meanwhile; try again in a few seconds`,
  );
}

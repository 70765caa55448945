/** What callers hear while no server is connected. */
import { FabricError, isFabricError } from "../../errors/index.ts";

/** `last`: why there is none. */
export function unavailable(action: string, last: FabricError | undefined, cause?: unknown): FabricError {
  const why = last ? ` (${last.message})` : "";
  return new FabricError(
    "CONTROL_UNAVAILABLE",
    `${action}: no server is connected${why}; servers are tried again by themselves`,
    { cause: cause ?? last },
  );
}

/** Why a server could not be joined, as it said or as one that is not there. */
export function joinFailure(error: unknown): FabricError {
  return isFabricError(error) ? error : unavailable("join", undefined, error);
}

export function tooManyCalls(action: string, max: number): FabricError {
  return new FabricError("CONTROL_LIMIT", `${action}: ${max} calls are under way; ask for less at a time`, {
    details: { limit: "callsMax", max },
  });
}

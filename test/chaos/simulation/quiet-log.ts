/** The log of a simulated process: errors are part of life here, but an error of the program breaks a promise. */
import type { Log } from "../../../daemon/process/log.ts";
import { isProgramError, type World } from "./world.ts";

export function quietLog(world: World): Log {
  const look = (fields: object) => {
    const { error } = fields as { readonly error?: unknown };
    if (isProgramError(error)) world.broken(`a program error: ${error.stack}`);
  };
  return { debug: look, info: look, warn: look, error: look };
}

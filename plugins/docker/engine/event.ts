/**
 * One line of the engine's event stream. Only what happened to which container, and when by the engine's clock;
 * everything else is asked for by inspection, so that an event that was lost or changed its form does no harm.
 */
import * as z from "zod";

export interface EngineEvent {
  readonly containerId: string;
  /** `start`, `die`, `health_status: healthy`, …; a network's are `connect` and `disconnect`. */
  readonly action: string;
  /** Of `kill`: the number of the signal. */
  readonly signal?: number;
  readonly atMs: number;
}

const eventSchema = z.object({
  Type: z.string(),
  Action: z.string(),
  Actor: z.object({ ID: z.string(), Attributes: z.record(z.string(), z.string()).nullish() }),
  timeNano: z.number(),
});

/** Undefined for what is none of ours, or cannot be read. */
export function parseEvent(line: string): EngineEvent | undefined {
  const parsed = eventSchema.safeParse(readJson(line));
  if (!parsed.success) return undefined;
  const { Type: type, Action: action, Actor: actor, timeNano } = parsed.data;
  const containerId = type === "network" ? actor.Attributes?.["container"] : actor.ID;
  if (!containerId || (type !== "container" && type !== "network")) return undefined;
  const signal = Number(actor.Attributes?.["signal"] ?? Number.NaN);
  return {
    containerId,
    action,
    ...(action === "kill" && Number.isInteger(signal) && { signal }),
    atMs: timeNano / 1e6,
  };
}

function readJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Bounds and paces of the registrar, each with its default. */
import type { FactLimits } from "./facts.ts";

export interface RegistrarLimits extends FactLimits {
  /** Containers of this node; others are left out and reported. */
  readonly containersMax: number;
  /** Services of one container. */
  readonly servicesMax: number;
  /** Inspections that wait; beyond, everything is read anew instead. */
  readonly pendingMax: number;
  /** Inspections under way. */
  readonly inspectionsMax: number;
  /** How long a start waits for the engine; what it has not confirmed by then is withdrawn. */
  readonly startMs: number;
  /** Everything is read anew at this pace, whatever the events say. */
  readonly resyncMs: number;
  /** Wait before the engine is tried again: doubled each time. */
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** How often the processes of containers are looked at while the engine is away. */
  readonly watchMs: number;
  /** A container that still runs so long after it was asked to stop is taken in again. */
  readonly stopPatienceMs: number;
  /** Problems that the status lists. */
  readonly problemsShownMax: number;
}

export const registrarLimits: RegistrarLimits = {
  containersMax: 1024,
  servicesMax: 32,
  namesMax: 16,
  outputBytesMax: 4096,
  pendingMax: 4096,
  inspectionsMax: 4,
  startMs: 1500,
  resyncMs: 300_000,
  backoffMinMs: 100,
  backoffMaxMs: 5000,
  watchMs: 1000,
  stopPatienceMs: 300_000,
  problemsShownMax: 20,
};

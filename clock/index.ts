/**
 * Time as an argument. Every core takes a Clock instead of calling Date or setTimeout, so that a test (and
 * the simulation) owns time. Monotonic time decides, wall time is only shown or stored for people.
 */
export type { Clock, Timer } from "./clock.ts";
export { Deadlines, type Due } from "./deadlines.ts";
export { ManualClock } from "./manual-clock.ts";
export { systemClock } from "./system-clock.ts";

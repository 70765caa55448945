/**
 * The process's log: JSON lines on standard error, written synchronously so that the last line before a crash
 * is there. Modules are handed the narrow `Log`; only this file knows pino.
 */
import { destination, pino } from "pino";

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export type LogLevel = "debug" | "info" | "warn" | "error";

export function openLog(level: LogLevel, role: string): Log {
  return pino({ level, base: { role } }, destination({ fd: 2, sync: true }));
}

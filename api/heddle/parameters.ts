/** Parameters of a query as schemas: text in, what it means out. */
import * as z from "zod";
import { parseGoDuration } from "../../registry/index.ts";

/** There, whatever its value but `false` and `0`. */
export const flag = z
  .enum(["", "true", "1", "false", "0"])
  .transform((text) => text !== "false" && text !== "0")
  .exactOptional();

/** A whole number that JSON keeps exactly. */
export const whole = z
  .string()
  .regex(/^\d{1,15}$/, "expected a whole number")
  .transform(Number)
  .exactOptional();

/** An unsigned 64-bit number. */
export const uint64 = z
  .string()
  .regex(/^\d{1,20}$/, "expected a whole number")
  .refine((text) => BigInt(text) < 2n ** 64n, "expected at most 64 bits")
  .transform(BigInt)
  .exactOptional();

/** As Go writes it (`30s`, `1h30m`); in milliseconds. */
export const duration = z
  .string()
  .regex(/^[\d.]+(ns|us|µs|ms|s|m|h)/, 'expected a duration, as in "30s"')
  .transform((text, context) => {
    const ms = parseGoDuration(text);
    if (ms !== undefined && ms >= 0) return ms;
    context.addIssue({ code: "custom", message: 'expected a duration, as in "30s"' });
    return z.NEVER;
  })
  .exactOptional();

/** What every read of the registry takes; their meaning is that of Consul's reads (blocking.ts reads them). */
export const readParameters = {
  index: whole.describe("Answer only when there is something newer than this X-Consul-Index."),
  wait: duration.describe("For how long, 5m when not named, 10m at most."),
  consistent: z.string().exactOptional().describe("Wait until all that was written before is seen."),
  stale: z.string().exactOptional().describe("Answer from memory even when the store cannot be reached."),
  max_stale: duration,
  dc: z.string().exactOptional().describe("Its own datacenter only."),
} as const;

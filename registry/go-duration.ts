/**
 * Go's duration text (time.ParseDuration, time.Duration.String), which every client of Consul speaks: `10s`,
 * `1m30s`, `1.5h`, `120000ms`, `10.0s`. Milliseconds as a number here; fractions of one are kept.
 */

const unitMs: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds, or undefined when the text is no duration. Go refuses a number without unit, `0` apart. */
export function parseGoDuration(text: string): number | undefined {
  const signed = /^([+-]?)((?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h).*|0)$/.exec(text);
  if (!signed) return undefined;
  const [, sign, body = ""] = signed;
  if (body === "0") return 0;
  let total = 0;
  let end = 0;
  for (const part of body.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/gy)) {
    total += Number(part[1]) * (unitMs[part[2] ?? ""] ?? Number.NaN);
    end = part.index + part[0].length;
  }
  if (end !== body.length || !Number.isFinite(total)) return undefined;
  return sign === "-" ? -total : total;
}

/** As Go prints it: `0s`, `1.5ms`, `10s`, `1m30s`, `24h0m0s`. */
export function formatGoDuration(ms: number): string {
  if (ms === 0) return "0s";
  const sign = ms < 0 ? "-" : "";
  const nanos = Math.round(Math.abs(ms) * 1e6);
  if (nanos < 1e3) return `${sign}${nanos}ns`;
  if (nanos < 1e6) return `${sign}${nanos / 1e3}µs`;
  if (nanos < 1e9) return `${sign}${nanos / 1e6}ms`;
  const hours = Math.floor(nanos / 3.6e12);
  const minutes = Math.floor((nanos % 3.6e12) / 6e10);
  const seconds = `${(nanos % 6e10) / 1e9}s`;
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}` : sign + seconds;
}

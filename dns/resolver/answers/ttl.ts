/** How long an answer may be kept by whoever asked. Zero everywhere by default, as in Consul. */
export interface TtlPolicy {
  readonly nodeSeconds: number;
  /** By service name; `web*` is a prefix, `*` all. An exact name wins, then the longest prefix. */
  readonly serviceSeconds: Readonly<Record<string, number>>;
  /** For "no such name" and "no such type" (RFC 2308). */
  readonly negativeSeconds: number;
}

export function serviceTtl(policy: TtlPolicy, service: string): number {
  const exact = policy.serviceSeconds[service];
  if (exact !== undefined) return exact;
  let best = { length: -1, seconds: 0 };
  for (const [pattern, seconds] of Object.entries(policy.serviceSeconds)) {
    const prefix = pattern.slice(0, -1);
    if (!pattern.endsWith("*") || !service.startsWith(prefix)) continue;
    if (prefix.length > best.length) best = { length: prefix.length, seconds };
  }
  return best.seconds;
}

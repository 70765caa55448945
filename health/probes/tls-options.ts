/** What a check says of TLS, in Node's words. Without a name of its own the host is the name, unless it is an address. */
import { isIP } from "node:net";
import type { ProbeTarget, ProbeTls } from "../check.ts";

export function tlsOptions({ host, tlsSkipVerify = false, tlsServerName }: ProbeTarget & ProbeTls): {
  readonly rejectUnauthorized: boolean;
  readonly servername?: string;
} {
  const servername = tlsServerName ?? (isIP(host) === 0 ? host : undefined);
  return { rejectUnauthorized: !tlsSkipVerify, ...(servername !== undefined && { servername }) };
}

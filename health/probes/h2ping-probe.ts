/** A PING frame of HTTP/2 (RFC 9113 section 6.7), which every server must answer. */
import type { H2PingCheck } from "../check.ts";
import { withSession } from "./http2-session.ts";
import type { ProbeContext, ProbeResult } from "./probe.ts";

export function probeH2Ping(check: H2PingCheck, context: ProbeContext): Promise<ProbeResult> {
  const name = `HTTP2 ping ${check.host}:${check.port}`;
  return withSession(
    check,
    name,
    context,
    (session) =>
      new Promise((resolve, reject) => {
        session.ping((error) =>
          error ? reject(error) : resolve({ status: "passing", output: `${name}: was successful` }),
        );
      }),
  );
}

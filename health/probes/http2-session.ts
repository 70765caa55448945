/**
 * One HTTP/2 connection for one probe, in plain text by prior knowledge or with TLS and ALPN. However the work ends,
 * the connection is gone afterwards.
 */
import { type ClientHttp2Session, connect } from "node:http2";
import { isIPv6 } from "node:net";
import { FabricError } from "../../errors/index.ts";
import type { ProbeTarget, ProbeTls } from "../check.ts";
import type { ProbeContext, ProbeResult } from "./probe.ts";
import { errorText } from "./tcp-probe.ts";
import { tlsOptions } from "./tls-options.ts";

/** Megabytes; Node takes no less. A probe exchanges a few hundred bytes. */
const sessionMemory = 1;

/** `work` settles the probe; its rejection, an error of the connection and the signal make it critical. */
export function withSession(
  check: ProbeTarget & ProbeTls,
  name: string,
  { signal, timeoutMs }: ProbeContext,
  work: (session: ClientHttp2Session) => Promise<ProbeResult>,
): Promise<ProbeResult> {
  const host = isIPv6(check.host) ? `[${check.host}]` : check.host;
  return new Promise((resolve) => {
    const session = connect(`${check.tls ? "https" : "http"}://${host}:${check.port}`, {
      maxSessionMemory: sessionMemory,
      ...(check.tls && tlsOptions(check)),
    });
    const finish = (result: ProbeResult) => {
      signal.removeEventListener("abort", onAbort);
      session.destroy();
      resolve(result);
    };
    const fail = (text: string) => finish({ status: "critical", output: `${name}: ${text}` });
    const onAbort = () => fail(`no answer within ${timeoutMs} ms`);
    session.on("error", (error) => fail(errorText(error)));
    session.once("close", () => fail("connection closed without an answer"));
    session.once("connect", () => {
      work(session).then(finish, (error: unknown) => fail(errorText(error as Error)));
    });
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

export function probeFailed(why: string): FabricError {
  return new FabricError("HEALTH_PROBE_FAILED", why);
}

/** Connects, shakes hands over TLS if asked to, and hangs up. A refused connection is a result at once, a silent one after the timeout. */
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import type { TcpCheck } from "../check.ts";
import type { ProbeContext, ProbeResult } from "./probe.ts";
import { tlsOptions } from "./tls-options.ts";

export function probeTcp(check: TcpCheck, { signal, timeoutMs }: ProbeContext): Promise<ProbeResult> {
  const target = `TCP connect ${check.host}:${check.port}`;
  return new Promise((resolve) => {
    const address = { host: check.host, port: check.port, autoSelectFamily: true };
    const socket = check.tls ? connectTls({ ...address, ...tlsOptions(check) }) : connect(address);
    const finish = (status: ProbeResult["status"], text: string) => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      resolve({ status, output: `${target}: ${text}` });
    };
    const onAbort = () => finish("critical", `no answer within ${timeoutMs} ms`);
    socket.once(check.tls ? "secureConnect" : "connect", () => finish("passing", "Success"));
    socket.on("error", (error) => finish("critical", errorText(error)));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

/** Node reports a name with several dead addresses as an AggregateError without a message of its own. */
export function errorText(error: Error): string {
  if (error instanceof AggregateError && error.message === "") {
    return error.errors.map((each) => (each instanceof Error ? each.message : String(each))).join("; ");
  }
  return error.message;
}

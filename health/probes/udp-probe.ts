/**
 * Sends one empty datagram. A port that nobody listens on is refused by its host (ICMP); everything else, silence
 * included, passes, as in Consul. A refusal comes within a round trip, so silence is not waited out for the whole
 * timeout but for `udpQuietMs`.
 */
import { createSocket } from "node:dgram";
import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import type { UdpCheck } from "../check.ts";
import type { ProbeContext, ProbeResult } from "./probe.ts";
import { errorText } from "./tcp-probe.ts";

export async function probeUdp(check: UdpCheck, context: ProbeContext): Promise<ProbeResult> {
  const { signal, timeoutMs } = context;
  const target = `UDP connect ${check.host}:${check.port}`;
  try {
    return await send(check, await resolved(check.host, signal), target, context);
  } catch (error) {
    const text = signal.aborted ? `name not resolved within ${timeoutMs} ms` : errorText(error as Error);
    return { status: "critical", output: `${target}: ${text}` };
  }
}

/** Rejects when the signal aborts; a look-up of the system cannot be called back. */
function resolved(host: string, signal: AbortSignal): Promise<LookupAddress> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    lookup(host).then(resolve, reject);
  });
}

function send(
  { port }: UdpCheck,
  { address, family }: LookupAddress,
  target: string,
  { clock, limits, signal }: ProbeContext,
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = createSocket(family === 6 ? "udp6" : "udp4");
    let isOver = false;
    const finish = (status: ProbeResult["status"], text: string) => {
      if (isOver) return;
      isOver = true;
      quiet.cancel();
      signal.removeEventListener("abort", onQuiet);
      socket.close();
      resolve({ status, output: `${target}: ${text}` });
    };
    const onQuiet = () => finish("passing", "Success");
    const quiet = clock.setTimer(limits.udpQuietMs, onQuiet);
    socket.on("error", (error) => finish("critical", errorText(error)));
    socket.once("message", onQuiet);
    signal.addEventListener("abort", onQuiet, { once: true });
    socket.connect(port, address, (error?: Error) => {
      if (isOver) return;
      if (error) finish("critical", errorText(error));
      else socket.send(Buffer.alloc(0), (failed) => failed && finish("critical", errorText(failed)));
    });
    if (signal.aborted) onQuiet();
  });
}

/**
 * Sends one empty datagram. A port that nobody listens on is refused by its host (ICMP); everything else, silence
 * included, passes, as in Consul. A refusal comes within a round trip, so silence is not waited out for the whole
 * timeout but for `udpQuietMs`.
 */
import { createSocket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { UdpCheck } from "../check.ts";
import type { ProbeContext, ProbeResult } from "./probe.ts";
import { errorText } from "./tcp-probe.ts";

export function probeUdp(check: UdpCheck, { clock, limits, signal }: ProbeContext): Promise<ProbeResult> {
  const target = `UDP connect ${check.host}:${check.port}`;
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(check.host) ? "udp6" : "udp4");
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
    socket.connect(check.port, check.host, (error?: Error) => {
      if (isOver) return;
      if (error) finish("critical", errorText(error));
      else socket.send(Buffer.alloc(0), (failed) => failed && finish("critical", errorText(failed)));
    });
    if (signal.aborted) onQuiet();
  });
}

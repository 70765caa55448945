/** What a host sends to others: UDP to the VXLAN port on its uplink, as tcpdump reads it, inner packet included. */
import { waitFor } from "../lab/command.ts";
import type { Host } from "../lab/host.ts";

export interface Capture {
  /** Ends the capture; one line a packet. */
  stop(): Promise<readonly string[]>;
}

export async function captureVxlan(host: Host): Promise<Capture> {
  const tcpdump = host.start([
    "tcpdump",
    "-i",
    "eth0",
    "-n",
    "-l",
    "--immediate-mode",
    "udp",
    "port",
    "4789",
  ]);
  await waitFor("tcpdump to listen", () => tcpdump.stderr.includes("listening on") || undefined);
  return {
    stop: async () => {
      await tcpdump.stop();
      // The outer packet and the inner one are printed on two lines.
      const packets = tcpdump.stdout
        .split(/\n(?=\d\d:\d\d:\d\d)/)
        .map((packet) => packet.replace(/\n\s*/g, " | ").trim());
      return packets.filter((packet) => packet.includes("VXLAN"));
    },
  };
}

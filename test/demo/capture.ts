/** What a host sends to others: UDP to the VXLAN port on its uplink, as tcpdump reads it, inner packet included. */
import { waitFor } from "../lab/command.ts";
import type { Host } from "../lab/host.ts";

export interface Capture {
  /** Ends when there are so many packets that pass, or after a while; one line a packet, all of them. */
  take(count: number, passes: (packet: string) => boolean): Promise<readonly string[]>;
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
  // The outer packet and the inner one are printed on two lines.
  const packets = () =>
    tcpdump.stdout
      .split(/\n(?=\d\d:\d\d:\d\d)/)
      .map((packet) => packet.replace(/\n\s*/g, " | ").trim())
      .filter((packet) => packet.includes("VXLAN"));
  return {
    take: async (count, passes) => {
      // tcpdump prints a packet a moment after it has passed.
      await waitFor("packets", () => packets().filter(passes).length >= count || undefined).catch(
        () => undefined,
      );
      await tcpdump.stop();
      return packets();
    },
  };
}

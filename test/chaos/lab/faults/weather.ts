/**
 * A link in bad weather: packets are lost, late and out of order, in both directions. By netem (tc-netem(8)) where the
 * kernel has it. Where it has not, by what every kernel has: nftables loses packets at random in both directions, and
 * towards the host two token buckets (tc-htb(8)) delay: a wide one all of them, a narrow one those that chance puts
 * there, which the others overtake. `weatherBy` tells which of the two it is.
 */
import { tryRun } from "../../../lab/command.ts";
import type { Effect } from "./inflict.ts";

/** A port of the lab's switches, in the namespace of the router. */
export interface Port {
  readonly netns: string;
  readonly link: string;
  /** The other end of the cable: a namespace, none for this process's own, and a link. */
  readonly peer: { readonly netns: string | undefined; readonly link: string };
}

export type WeatherMeans = "netem" | "token buckets and random drops (this kernel has no sch_netem)";

interface Forecast {
  readonly lossPercent: number;
  readonly delayMs: number;
  readonly reorderPercent: number;
}

/** 2 to 21 % are lost, 10 to 89 ms late, 5 to 34 % out of order. */
export function forecast(draw: number): Forecast {
  return {
    lossPercent: 2 + (draw % 20),
    delayMs: 10 + ((draw >>> 8) % 80),
    reorderPercent: 5 + ((draw >>> 16) % 30),
  };
}

/** Tries it in the namespace. */
export function weatherBy(netns: string): WeatherMeans {
  const lo = ["dev", "lo", "root"];
  const has = tryRun(within(netns, ["tc", "qdisc", "add", ...lo, "netem", "delay", "1ms"])).status === 0;
  if (!has) return "token buckets and random drops (this kernel has no sch_netem)";
  must(within(netns, ["tc", "qdisc", "delete", ...lo]));
  return "netem";
}

export function weather(port: Port, means: WeatherMeans): Effect {
  return means === "netem" ? byNetem(port) : byBuckets(port);
}

function byNetem({ netns, link, peer }: Port): Effect {
  const ends = [
    { netns, link },
    { netns: peer.netns, link: peer.link },
  ];
  return {
    begin: (draw) => {
      const { lossPercent, delayMs, reorderPercent } = forecast(draw);
      const netem = `netem delay ${delayMs}ms ${delayMs / 2}ms loss ${lossPercent}% reorder ${reorderPercent}%`;
      for (const end of ends)
        must(within(end.netns, `tc qdisc add dev ${end.link} root ${netem}`.split(" ")));
    },
    end: () => {
      for (const end of ends) must(within(end.netns, ["tc", "qdisc", "delete", "dev", end.link, "root"]));
    },
  };
}

/** By which a packet of 1,000 bytes takes the delay of the forecast, and in the narrow bucket five times as long. */
const [wideBits, narrowBits] = [8000, 1600];
/** What would wait for longer is dropped, as by any router that is set up well. */
const queueMaxMs = 1000;

function byBuckets({ netns, link }: Port): Effect {
  const table = `weather-${link}`;
  return {
    begin: (draw) => {
      const { lossPercent, delayMs, reorderPercent } = forecast(draw);
      const chance = (percent: number) => `numgen random mod 100 < ${percent}`;
      const [wide, narrow] = ["1:10", "1:20"];
      // Kbit a second are bits a millisecond. Nothing is saved up for a burst: whoever comes second waits.
      const queue = (id: string, bits: number) => {
        const packetMs = (wideBits / bits) * delayMs;
        return `tc qdisc add dev ${link} parent ${id} pfifo limit ${Math.ceil(queueMaxMs / packetMs)}`;
      };
      const bucket = (id: string, bits: number) =>
        `tc class add dev ${link} parent 1: classid ${id} htb rate ${Math.ceil(bits / delayMs)}kbit burst 60 cburst 60`;
      for (const line of [
        `tc qdisc add dev ${link} root handle 1: htb default 10`,
        bucket(wide, wideBits),
        bucket(narrow, narrowBits),
        queue(wide, wideBits),
        queue(narrow, narrowBits),
      ])
        must(within(netns, line.split(" ")));
      const rules = `table bridge ${table} {
        chain from { type filter hook prerouting priority 0; iifname "${link}" ${chance(lossPercent)} drop; }
        chain to { type filter hook postrouting priority 0;
          oifname "${link}" ${chance(lossPercent)} drop
          oifname "${link}" ${chance(reorderPercent)} meta priority set ${narrow}
        }
      }`;
      must(within(netns, ["nft", "-f", "-"]), rules);
    },
    end: () => {
      must(within(netns, ["nft", "delete", "table", "bridge", table]));
      must(within(netns, ["tc", "qdisc", "delete", "dev", link, "root"]));
    },
  };
}

function within(netns: string | undefined, command: readonly string[]): readonly string[] {
  return netns === undefined ? command : ["nsenter", `--net=${netns}`, ...command];
}

function must(command: readonly string[], input = ""): void {
  const { status, stderr } = tryRun(command, { input });
  if (status !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
}

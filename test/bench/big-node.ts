/** A node of a large fabric for benchmarks: its own namespace, an underlay whose router nobody answers behind, and as many remote nodes as asked. */
import { cidrFromIp, ipAdd, parseCidr, parseIp, parseMac, parseVni } from "../../addr/index.ts";
import { type Kernel, openKernel } from "../../kernel/index.ts";
import { type HostState, type NodeDesired, Reconciler, type RemoteNode } from "../../overlay/index.ts";
import { run } from "../lab/command.ts";

export interface BigNode {
  readonly netns: string;
  readonly kernel: Kernel;
  openReconciler(): Reconciler;
  close(): void;
}

const underlayIp = "192.0.2.1";
const blockSize = 64;

export function openBigNode(netns: string): BigNode {
  run(["ip", "netns", "add", netns]);
  const ip = (...words: readonly string[]) => run(["ip", "-n", netns, ...words]);
  ip("link", "set", "lo", "up");
  ip("link", "add", "eth0", "type", "veth", "peer", "name", "uplink");
  for (const link of ["eth0", "uplink"]) ip("link", "set", link, "up");
  ip("address", "add", `${underlayIp}/24`, "dev", "eth0");
  ip("route", "add", "default", "via", "192.0.2.254");
  const kernel = openKernel({ netns: `/run/netns/${netns}` });
  const openReconciler = (): Reconciler => {
    let state: HostState | undefined;
    const journal = {
      load: async () => state,
      save: async (next: HostState) => {
        state = next;
      },
    };
    return new Reconciler({ kernel, journal });
  };
  const close = () => {
    kernel.close();
    run(["ip", "netns", "delete", netns]);
  };
  return { netns, kernel, openReconciler, close };
}

/** One block each, all of them behind the router, so by VXLAN. */
export function fabricOf(remoteCount: number): NodeDesired {
  return {
    self: {
      name: "self",
      underlay: [parseIp(underlayIp)],
      vtepMac: parseMac("02:00:00:ff:ff:ff"),
      vni: parseVni(7272),
      vxlanPort: 4789,
      zone: "z",
    },
    networks: [
      {
        name: "web",
        pools: [parseCidr("10.0.0.0/8")],
        backend: "auto",
        masquerade: true,
        policy: "isolated",
      },
    ],
    remotes: Array.from({ length: remoteCount }, (_, i) => remote(i)),
    endpoints: [],
  };
}

function remote(i: number): RemoteNode {
  const hex = i.toString(16).padStart(6, "0");
  return {
    name: `n${hex}`,
    underlay: [ipAdd(parseIp("100.64.0.1"), BigInt(i))],
    vtepMac: parseMac(`02:00:00:${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4)}`),
    vxlanPort: 4789,
    zone: "z",
    prefixes: [{ network: "web", cidr: cidrFromIp(ipAdd(parseIp("10.0.0.0"), BigInt(i * blockSize)), 26) }],
  };
}

/**
 * Whose the leases of Docker's addresses are. RequestAddress has no container, so each address is owned by a
 * name of its own. An address asked for by name has the same owner each time: a container that starts again
 * with `--ip` gets it back at once, though it rests for everybody else. Any other address gets a new owner.
 */
import type { Ip } from "../../../addr/index.ts";
import type { EndpointRef } from "../../endpoint/index.ts";

const named = "docker-named";
const drawn = "docker-drawn-";

export function namedOwner(ip: Ip): EndpointRef {
  return { containerId: named, ifname: ip };
}

export function drawnOwner(random: (size: number) => Uint8Array): EndpointRef {
  return { containerId: `${drawn}${Buffer.from(random(12)).toString("hex")}`, ifname: "address" };
}

export function isDockerOwner({ containerId }: EndpointRef): boolean {
  return containerId === named || containerId.startsWith(drawn);
}

/**
 * `-p` and `-P` as Docker hands them over, and which ports of the host are free. Docker's own bridge driver holds
 * each port with a process; here the packet filter answers, and a port that a program of the host listens on is
 * refused, so that nobody loses connections unknowingly.
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import * as z from "zod";
import { familyOf, type Ip, parseIp } from "../../../addr/index.ts";
import { FabricError } from "../../../errors/index.ts";
import type { PublishedPort } from "../../../overlay/index.ts";
import { type PortBinding, portMap } from "./messages.ts";

const portMapKey = "com.docker.network.portmap";
/** IP protocol number → name, as far as Docker publishes it. */
const protocols: Readonly<Record<number, PublishedPort["protocol"]>> = { 6: "tcp", 17: "udp", 132: "sctp" };
/** Tries to find a port that is free, where Docker asks for any. */
const anyPortTriesMax = 16;

/** @throws DOCKER_PORT_INVALID */
export function bindingsIn(options: Readonly<Record<string, unknown>>): readonly PortBinding[] {
  const parsed = portMap.safeParse(options[portMapKey]);
  if (parsed.success) return parsed.data;
  throw new FabricError(
    "DOCKER_PORT_INVALID",
    `publish ports of a container: the engine's list cannot be read: ${z.prettifyError(parsed.error)}`,
  );
}

/** Looks whether a program of this host listens. `port` 0: answers a port that is free. */
export type PortProbe = (
  protocol: PublishedPort["protocol"],
  ip: Ip | undefined,
  port: number,
) => Promise<number | undefined>;

/**
 * One entry a binding and family. @throws DOCKER_PORT_INVALID, DOCKER_PORT_TAKEN
 * `others`: what is published on this node already.
 */
export async function publish(
  bindings: readonly PortBinding[],
  addresses: readonly Ip[],
  others: readonly PublishedPort[],
  probe: PortProbe,
): Promise<readonly PublishedPort[]> {
  const published: PublishedPort[] = [];
  for (const binding of bindings) {
    const protocol = protocols[binding.Proto];
    if (!protocol)
      throw new FabricError(
        "DOCKER_PORT_INVALID",
        `publish port ${binding.Port}: IP protocol ${binding.Proto} is not TCP, UDP or SCTP`,
      );
    const hostIp = specific(binding.HostIP);
    const suitable = addresses.filter((ip) => hostIp === undefined || familyOf(ip) === familyOf(hostIp));
    const wanted = { protocol, ...(hostIp !== undefined && { hostIp }), port: binding.Port };
    const hostPort = await choose(binding, wanted, [...others, ...published], probe);
    published.push(...suitable.map((ip) => ({ ...wanted, hostPort, ip })));
  }
  return published;
}

async function choose(
  { HostPort, HostPortEnd }: PortBinding,
  wanted: Pick<PublishedPort, "protocol" | "hostIp">,
  others: readonly PublishedPort[],
  probe: PortProbe,
): Promise<number> {
  const isFree = (port: number) => !others.some((other) => collides(other, wanted, port));
  if (HostPort === 0) {
    for (let tries = 0; tries < anyPortTriesMax; tries++) {
      const port = await probe(wanted.protocol, wanted.hostIp, 0);
      if (port !== undefined && isFree(port)) return port;
    }
  }
  for (let port = HostPort; port !== 0 && port <= Math.max(HostPort, HostPortEnd); port++) {
    if (isFree(port) && (await probe(wanted.protocol, wanted.hostIp, port)) !== undefined) return port;
  }
  throw new FabricError(
    "DOCKER_PORT_TAKEN",
    `publish ${wanted.protocol} port ${HostPort === 0 ? "of any number" : HostPort}: it is already allocated, by another container or by a program of this host; choose another`,
    { details: { port: HostPort, protocol: wanted.protocol } },
  );
}

function collides(
  other: PublishedPort,
  { protocol, hostIp }: Pick<PublishedPort, "protocol" | "hostIp">,
  port: number,
): boolean {
  if (other.protocol !== protocol || other.hostPort !== port) return false;
  return other.hostIp === undefined || hostIp === undefined || other.hostIp === hostIp;
}

/** Undefined for every address of the host. */
function specific(text: string): Ip | undefined {
  if (text === "" || text === "0.0.0.0" || text === "::") return undefined;
  return parseIp(text);
}

/** By binding the port for a moment. Node has no SCTP: there every port counts as free. */
export const probePort: PortProbe = (protocol, ip, port) => {
  if (protocol === "sctp") return Promise.resolve(port === 0 ? undefined : port);
  return new Promise((resolve) => {
    if (protocol === "tcp") {
      const server = createServer();
      server.once("error", () => resolve(undefined));
      server.listen({ port, host: ip ?? "0.0.0.0", exclusive: true }, () => {
        const address = server.address();
        server.close(() =>
          resolve(address !== null && typeof address === "object" ? address.port : undefined),
        );
      });
      return;
    }
    const socket = createSocket(ip !== undefined && familyOf(ip) === 6 ? "udp6" : "udp4");
    socket.once("error", () => resolve(undefined));
    socket.bind({ port, address: ip ?? "0.0.0.0", exclusive: true }, () => {
      const { port: bound } = socket.address();
      socket.close(() => resolve(bound));
    });
  });
};

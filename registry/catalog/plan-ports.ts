/**
 * Several named ports of one instance, as Consul has them since 1.22: each with a name that DNS can carry, one of them
 * the default, which is the instance's port for whoever knows of only one. Two may have the same number, as where one
 * socket speaks two protocols. Names compare without case, as DNS does.
 *
 * Where no port says that it is the default, the first is. A port beside the list is taken when it repeats the default,
 * as answers have it, so that an answer can be sent back.
 */
import { FabricError } from "../../errors/index.ts";
import type { AgentLimits, ServiceDefinition } from "../agent/definition.ts";
import type { NamedPort, ServiceRecord } from "../model.ts";

/** A label of a name; it does not begin as the labels of RFC 2782 do. */
const portName = /^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$/i;

/** @throws REGISTRY_INVALID */
export function planPorts(
  what: string,
  definition: Pick<ServiceDefinition, "port" | "ports">,
  limits: AgentLimits,
): Pick<ServiceRecord, "port" | "ports"> {
  const { port: alone = 0, ports = [] } = definition;
  assertPort(what, alone, 0);
  const [first] = ports;
  if (!first) return { port: alone };
  if (ports.length > limits.portsMax)
    throw invalid(what, `it has ${ports.length} ports, at most ${limits.portsMax} are accepted`);
  for (const { name, port } of ports) {
    if (!portName.test(name))
      throw invalid(
        what,
        `a port is called ${JSON.stringify(name.slice(0, 64))}; use 1 to 63 letters, digits, "-" and "_", with a letter or digit at both ends`,
      );
    assertPort(what, port, 1);
  }
  const twice = ports.find(({ name }, at) => at !== ports.findIndex((other) => isSame(name, other.name)));
  if (twice) throw invalid(what, `two of its ports are called "${twice.name}"; give each a name of its own`);
  if (ports.filter(({ isDefault }) => isDefault).length > 1)
    throw invalid(what, "more than one of its ports is the default; say so of one");
  const main = ports.find(({ isDefault }) => isDefault) ?? first;
  if (alone !== 0 && alone !== main.port)
    throw invalid(what, `it has both Port ${alone} and Ports, whose default is ${main.port}; leave Port out`);
  return {
    port: main.port,
    ports: ports.map(({ name, port }): NamedPort => ({ name, port, isDefault: name === main.name })),
  };
}

/** The port of a definition that was not planned yet: 0 if it has none. */
export function mainPort({ port, ports = [] }: Pick<ServiceDefinition, "port" | "ports">): number {
  const main = ports.find(({ isDefault }) => isDefault) ?? ports[0];
  return main?.port ?? port ?? 0;
}

export function assertPort(what: string, port: number, least: number): void {
  if (!Number.isInteger(port) || port < least || port > 65_535)
    throw invalid(what, `port ${port} is not a whole number from ${least} to 65535`);
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

function invalid(what: string, why: string): FabricError {
  return new FabricError("REGISTRY_INVALID", `${what}: ${why}`);
}

/** `HOST:PORT` of an option, parsed once: `127.0.0.1:8500`, `[::1]:8500`, `:8500` (every address). */
import { type Ip, isLoopback, parseIp } from "../../addr/index.ts";
import { FabricError } from "../../errors/index.ts";

export interface HostPort {
  readonly ip: Ip;
  readonly port: number;
}

/** @throws DAEMON_OPTION_INVALID naming the option */
export function parseHostPort(option: string, text: string): HostPort {
  const match = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535)
    throw invalid(option, text, "expected HOST:PORT, as in 127.0.0.1:8500 or [::1]:8500");
  const host = match[1] ?? match[2] ?? "";
  try {
    return { ip: parseIp(host === "" ? "0.0.0.0" : host === "localhost" ? "127.0.0.1" : host), port };
  } catch (cause) {
    throw invalid(option, text, "the host must be an address", cause);
  }
}

export function printHostPort({ ip, port }: HostPort): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** Plain text may leave the machine only when the operator says so. @throws DAEMON_INSECURE */
export function requireLoopback(option: string, address: HostPort, insecure: boolean): void {
  if (insecure || isLoopback(address.ip)) return;
  throw new FabricError(
    "DAEMON_INSECURE",
    `listen on ${option} ${printHostPort(address)}: the connection is plain text and anyone who reaches it may change the fabric; use a loopback address, or add --insecure on a network that you trust`,
  );
}

function invalid(option: string, text: string, why: string, cause?: unknown): FabricError {
  return new FabricError("DAEMON_OPTION_INVALID", `read ${option} ${JSON.stringify(text)}: ${why}`, {
    cause,
  });
}

/** Why listening failed, and what an operator can do about it. */
import { FabricError } from "../../errors/index.ts";
import type { Endpoint } from "./udp.ts";

const advice: Readonly<Record<string, string>> = {
  EADDRINUSE:
    "another program has it; `ss -lnptu` names it. Stop that program or choose another address or port",
  EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE; run as root or choose a higher port",
  EADDRNOTAVAIL: "no interface has this address; add it or choose another",
};

export function listenFailed(transport: "UDP" | "TCP", endpoint: Endpoint, cause: unknown): FabricError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
  const host = endpoint.address.includes(":") ? `[${endpoint.address}]` : endpoint.address;
  const what = advice[code] ?? "see the cause";
  return new FabricError(
    "DNS_LISTEN_FAILED",
    `listen for DNS on ${host}:${endpoint.port}/${transport}: ${code}: ${what}`,
    {
      cause,
      details: { address: endpoint.address, port: endpoint.port, transport, errno: code },
    },
  );
}

/**
 * Name servers as an operator writes them: `192.0.2.1`, `192.0.2.1:5353`, `[2001:db8::1]:53`, over TLS
 * `tls://192.0.2.1#dns.example` (port 853), and for one zone `corp.example=10.0.0.1,10.0.0.2`.
 */
import { isIp, parseFqdn } from "../../addr/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { NameServer } from "../client/index.ts";

const dnsPort = 53;
const tlsPort = 853;
const form = /^(tls:\/\/)?(?:\[([^\]]+)\]|([^[\]#]*?))(?::(\d{1,5}))?(?:#([^#]+))?$/;

/** @throws DNS_INVALID_OPTION */
export function parseNameServer(text: string): NameServer {
  const parsed = isIp(text) ? ["", "", text] : form.exec(text);
  const [, scheme, bracketed, bare, portText, name] = parsed ?? [];
  const tls = scheme === "tls://";
  const address = isIp(text) ? text : (bracketed ?? bare ?? "");
  const port = Number(portText ?? (tls ? tlsPort : dnsPort));
  const addressless = !isIp(address.split("%")[0] ?? "");
  if (!parsed || addressless || port < 1 || port > 0xffff || tls !== (name !== undefined)) {
    throw invalid(
      text,
      "ADDRESS, ADDRESS:PORT, [IPV6]:PORT, or tls://ADDRESS#NAME with the certificate's name",
    );
  }
  return { address, port, ...(name !== undefined && { tlsName: name }) };
}

/** @throws DNS_INVALID_OPTION, ADDR_INVALID_NAME */
export function parseForwardZone(text: string): {
  readonly zone: string;
  readonly servers: readonly NameServer[];
} {
  const at = text.indexOf("=");
  const servers = text
    .slice(at + 1)
    .split(",")
    .filter((each) => each !== "");
  if (at < 1 || servers.length === 0) throw invalid(text, "ZONE=SERVER[,SERVER], as corp.example=10.0.0.1");
  return { zone: parseFqdn(text.slice(0, at)), servers: servers.map(parseNameServer) };
}

function invalid(text: string, expected: string): FabricError {
  return new FabricError(
    "DNS_INVALID_OPTION",
    `read name server ${JSON.stringify(text)}: expected ${expected}`,
  );
}

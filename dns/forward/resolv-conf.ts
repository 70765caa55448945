/** The name servers in /etc/resolv.conf (resolv.conf(5)). Lines that make no sense are passed over, as libc does. */
import { isIp } from "../../addr/index.ts";
import type { NameServer } from "../client/index.ts";

const dnsPort = 53;

export function parseResolvConf(text: string): NameServer[] {
  const servers: NameServer[] = [];
  for (const line of text.split("\n")) {
    const [keyword, address = ""] = line.trim().split(/\s+/);
    const [ip = ""] = address.split("%");
    if (keyword === "nameserver" && isIp(ip)) servers.push({ address, port: dnsPort });
  }
  return servers;
}

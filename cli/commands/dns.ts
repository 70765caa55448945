/** `heddle dns NAME [TYPE]`: one question to a DNS server, this node's unless told otherwise. Status 4 for NXDOMAIN. */

import { parseHostPort } from "../../daemon/index.ts";
import { type DnsRecord, queryDns, rcodeName } from "../../dns/index.ts";
import { print } from "../print.ts";

interface DnsOptions {
  readonly json?: boolean;
  readonly server: string;
  readonly tcp?: boolean;
}

export async function ask(name: string, type: string, options: DnsOptions): Promise<void> {
  const { ip, port } = parseHostPort("--server", options.server);
  const reply = await queryDns({
    server: ip,
    port,
    name,
    type: type.toUpperCase(),
    tcp: options.tcp ?? false,
  });
  const rcode = rcodeName(reply.rcode);
  const answers = reply.answers.map((record) => ({
    name: record.name,
    ttl: record.ttlSeconds,
    type: record.data.kind === "UNKNOWN" ? `TYPE${record.data.type}` : record.data.kind,
    data: dataText(record.data),
  }));
  print(options, { rcode, answers }, () =>
    answers.length === 0
      ? `${rcode}: no ${type.toUpperCase()} record`
      : answers.map((record) => `${record.name}\t${record.ttl}\t${record.type}\t${record.data}`).join("\n"),
  );
  if (rcode !== "NOERROR") process.exitCode = rcode === "NXDOMAIN" ? 4 : 1;
}

/** The fields in their order, as in a zone file. */
function dataText(data: DnsRecord["data"]): string {
  return Object.entries(data)
    .filter(([field]) => field !== "kind")
    .map(([, value]: [string, unknown]) => {
      if (Array.isArray(value)) return value.map((each) => JSON.stringify(each)).join(" ");
      return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : String(value);
    })
    .join(" ");
}

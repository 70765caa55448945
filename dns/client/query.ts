/** A small DNS client, for the command line and for looking at our own server from outside. */
import { randomInt } from "node:crypto";
import { type Clock, systemClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { classIn, emptyMessage, type Message, typeNumber } from "../wire/index.ts";
import { exchangeTcp, exchangeUdp } from "./exchange.ts";

export interface DnsQuery {
  /** Numeric address. */
  readonly server: string;
  readonly port: number;
  readonly name: string;
  /** Mnemonic, as `SRV`, or `TYPE65`. */
  readonly type: string;
  /** Use TCP from the start; otherwise TCP follows when the UDP reply is truncated. */
  readonly tcp?: boolean;
  readonly timeoutMs?: number;
  /** RD, on by default. */
  readonly recursionDesired?: boolean;
  /** UDP size to offer by EDNS; 0 leaves EDNS out. */
  readonly udpBytes?: number;
  readonly clock?: Clock;
}

export const queryTimeoutMsDefault = 3000;
const udpBytesDefault = 1232;

/** @throws DNS_INVALID_OPTION, DNS_INVALID_NAME, DNS_QUERY_FAILED */
export async function queryDns(options: DnsQuery): Promise<Message> {
  const type = typeNumber(options.type);
  if (type === undefined) {
    throw new FabricError(
      "DNS_INVALID_OPTION",
      `ask for type ${JSON.stringify(options.type)}: no such record type; use a mnemonic as A, or TYPE123`,
    );
  }
  const name = options.name.endsWith(".") ? options.name.slice(0, -1) : options.name;
  const udpBytes = options.udpBytes ?? udpBytesDefault;
  const query: Message = {
    ...emptyMessage,
    id: randomInt(0x10000),
    recursionDesired: options.recursionDesired ?? true,
    questions: [{ name, type, class: classIn }],
    ...(udpBytes > 0 ? { edns: { udpBytes, version: 0, dnssecOk: false, options: [] } } : {}),
  };
  const server = { address: options.server, port: options.port };
  const terms = {
    timeoutMs: options.timeoutMs ?? queryTimeoutMsDefault,
    clock: options.clock ?? systemClock,
  };
  const reply = options.tcp ? undefined : await exchangeUdp(server, query, terms);
  return reply && !reply.truncated ? reply : exchangeTcp(server, query, terms);
}

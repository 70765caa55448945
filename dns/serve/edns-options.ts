/**
 * The options that we put into the OPT of a reply because of what the query had: our cookie (RFC 7873), over TCP
 * and TLS how long an idle connection may stay (RFC 7828), over TLS padding (RFC 7830, RFC 8467).
 */
import { ipToBytes } from "../../addr/index.ts";
import {
  cookieOption,
  type EdnsOption,
  keepaliveOption,
  type Message,
  paddingOption,
} from "../wire/index.ts";
import { ClientView, type CookieJar, cookieBytes, isCookieLength } from "./cookie.ts";
import type { ClientFacts } from "./exchange.ts";
import { firstOption, type Transport } from "./reply.ts";

/** RFC 8467 section 4.1: servers pad to multiples of 468 bytes. */
const paddedBlockBytes = 468;

export interface CookieView {
  readonly shown: boolean;
  /** We gave it to this client. */
  readonly known: boolean;
  readonly options: readonly EdnsOption[];
}

export function clientView({ ip }: Pick<ClientFacts, "ip">, wallMs: number): ClientView {
  const view = new ClientView();
  view.bytes = ipToBytes(ip);
  view.length = view.bytes.length;
  view.nowSeconds = Math.floor(wallMs / 1000);
  return view;
}

/** What the query's cookie is worth, and the one for the reply. */
export function viewCookie(query: Message, jar: CookieJar, client: ClientView): CookieView {
  const option = firstOption(query, cookieOption);
  if (!option || !isCookieLength(option.data.length)) return { shown: false, known: false, options: [] };
  const known = jar.isValid(option.data, 0, option.data.length, client);
  const data = new Uint8Array(cookieBytes);
  jar.write(option.data, 0, known, client, data, 0);
  return { shown: true, known, options: [{ code: cookieOption, data }] };
}

/** RFC 7828: only where the client asked, and never over UDP. @param idleTimeoutMs of a connection */
export function keepalive(
  query: Message,
  transport: Transport,
  idleTimeoutMs: number,
): readonly EdnsOption[] {
  if (transport === "udp" || !firstOption(query, keepaliveOption)) return [];
  const data = Buffer.alloc(2);
  data.writeUInt16BE(Math.min(0xffff, Math.floor(idleTimeoutMs / 100)));
  return [{ code: keepaliveOption, data }];
}

/** Fills an encoded reply up to a whole block where its query was padded too. OPT is the last record of what we encode. */
export function padded(query: Message, reply: Uint8Array, ednsOptionBytes: number): Uint8Array {
  if (!firstOption(query, paddingOption)) return reply;
  const fill = (paddedBlockBytes - ((reply.length + 4) % paddedBlockBytes)) % paddedBlockBytes;
  if (reply.length + 4 + fill > 0xffff) return reply;
  const out = Buffer.alloc(reply.length + 4 + fill);
  out.set(reply);
  out.writeUInt16BE(paddingOption, reply.length);
  out.writeUInt16BE(fill, reply.length + 2);
  out.writeUInt16BE(ednsOptionBytes + 4 + fill, reply.length - ednsOptionBytes - 2);
  return out;
}

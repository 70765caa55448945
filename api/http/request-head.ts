/**
 * The head of an HTTP/1.1 request, read strictly: whatever two readers could understand in two ways is refused, as
 * that is how requests are smuggled past a proxy. So no folded lines, no bare CR or LF, no space before a colon, one
 * Host, one Content-Length, never beside Transfer-Encoding, and of transfer codings only `chunked`.
 *
 * Sources: RFC 9112 sections 2 to 6 and 11.2, RFC 9110 sections 5.5, 7.2 and 10.1.1.
 * Cost: one regular expression a line, each linear in the line.
 */
export type Headers = Readonly<Record<string, string | undefined>>;

export type Framing =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" };

export interface RequestHead {
  readonly kind: "head";
  /** What it was read from. */
  readonly text: string;
  readonly method: string;
  /** Path and query, still percent-encoded. */
  readonly target: string;
  readonly headers: Headers;
  readonly framing: Framing;
  readonly isHttp10: boolean;
  /** The client keeps the connection for another request. */
  readonly staysOpen: boolean;
  readonly expectsContinue: boolean;
}

/** The connection cannot go on: nobody knows where the next request begins. */
export interface Refusal {
  readonly kind: "refusal";
  readonly status: number;
  readonly text: string;
}

const methods = new Set(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"]);
const requestLine = /^([!#$%&'*+\-.^_`|~\w]+) ([\x21-\x7e]+) HTTP\/(\d\.\d)(?:\r\n|$)/;
const headerLine = /([!#$%&'*+\-.^_`|~\w]+):([\t\x20-\x7e\x80-\xff]*)(?:\r\n|$)/y;
/** A host and port, or nothing. */
const hostValue = /^[\w.\-~:[\]%!$&'()*+;=]*$/;
const absoluteForm = /^https?:\/\/([^/?#]+)(?:\/|(?=\?)|$)/i;
const noBody: Framing = { kind: "none" };
const chunked: Framing = { kind: "chunked" };

/** Twice is an attack or a defect. */
const once = new Set(["content-length", "transfer-encoding", "host", "authorization", "x-consul-token"]);
/** Of several the first one counts; those of other names are a list. */
const firstCounts = new Set(["content-type", "referer", "user-agent"]);

/** `text`: the bytes before the empty line, as latin1. */
export function parseHead(text: string): RequestHead | Refusal {
  const [line, method = "", written = "", version = ""] = requestLine.exec(text) ?? [];
  if (line === undefined) return refusal(400, "The request line is malformed");
  if (version !== "1.1" && version !== "1.0")
    return refusal(505, "Only HTTP/1.1 and HTTP/1.0 are spoken here");
  if (!methods.has(method)) return refusal(501, `Method ${method.slice(0, 32)} is not implemented`);
  const headers = readHeaders(text, line.length);
  if (!headers) return refusal(400, "A header is malformed, or repeated where it must not be");

  const isHttp10 = version === "1.0";
  const { host } = headers;
  if (host === undefined ? !isHttp10 : !hostValue.test(host))
    return refusal(400, "The header Host is missing or malformed");
  const target = targetOf(method, written, headers);
  if (target === undefined) return refusal(400, "The request target is malformed");
  const framing = framingOf(headers, isHttp10);
  if ("status" in framing) return framing;
  const { expect } = headers;
  if (expect !== undefined && expect.toLowerCase() !== "100-continue")
    return refusal(417, "Only 100-continue can be expected");

  const connection = headers["connection"]?.toLowerCase().split(/[\t ]*,[\t ]*/) ?? [];
  const staysOpen = !connection.includes("close") && (!isHttp10 || connection.includes("keep-alive"));
  const expectsContinue = expect !== undefined && !isHttp10;
  return { kind: "head", text, method, target, headers, framing, isHttp10, staysOpen, expectsContinue };
}

/** Names in lower case; undefined when one is malformed. `from`: behind the request line. */
function readHeaders(text: string, from: number): Headers | undefined {
  const headers = Object.create(null) as Record<string, string>;
  headerLine.lastIndex = from;
  while (headerLine.lastIndex < text.length) {
    const match = headerLine.exec(text);
    if (!match) return undefined;
    const name = (match[1] ?? "").toLowerCase();
    const value = withoutBlanks(match[2] ?? "");
    const before = headers[name];
    if (before === undefined) headers[name] = value;
    else if (once.has(name)) return undefined;
    else if (!firstCounts.has(name)) headers[name] = `${before}, ${value}`;
  }
  return headers;
}

/** Such lines may stand behind a chunked body, too. */
export function isHeaderLine(line: string): boolean {
  headerLine.lastIndex = 0;
  return headerLine.test(line) && headerLine.lastIndex === line.length;
}

/** `trim` takes more away, which is part of a value. */
function withoutBlanks(value: string): string {
  let [from, to] = [0, value.length];
  const isBlank = (at: number) => value[at] === " " || value[at] === "\t";
  while (from < to && isBlank(from)) from++;
  while (from < to && isBlank(to - 1)) to--;
  return value.slice(from, to);
}

/** An absolute target counts more than the header Host, which is made to say the same. */
function targetOf(method: string, written: string, headers: Headers): string | undefined {
  if (written.startsWith("/")) return written;
  if (written === "*") return method === "OPTIONS" ? written : undefined;
  const [prefix, authority = ""] = absoluteForm.exec(written) ?? [];
  if (prefix === undefined || !hostValue.test(authority)) return undefined;
  (headers as Record<string, string>)["host"] = authority;
  return `/${written.slice(prefix.length)}`;
}

function framingOf(headers: Headers, isHttp10: boolean): Framing | Refusal {
  const { "content-length": length, "transfer-encoding": encoding } = headers;
  if (encoding !== undefined) {
    if (length !== undefined || isHttp10)
      return refusal(400, "A body is framed by Content-Length or, in HTTP/1.1, by Transfer-Encoding");
    return encoding.toLowerCase() === "chunked" ? chunked : refusal(501, "Only chunked is implemented");
  }
  if (length === undefined || length === "0") return noBody;
  if (!/^\d{1,15}$/.test(length)) return refusal(400, "The header Content-Length is malformed");
  return { kind: "length", bytes: Number(length) };
}

export function refusal(status: number, text: string): Refusal {
  return { kind: "refusal", status, text };
}

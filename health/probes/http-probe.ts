/**
 * One HTTP request on a connection of its own: 2xx passes, 429 warns, all else is critical.
 *
 * Redirects are followed as Consul's HTTP client does (301, 302 and 303 turn into GET without a body, 307 and
 * 308 repeat the request), but the check's own headers go only to the origin they were written for, so that
 * a redirect cannot carry a token away. No more of a body is read than is kept.
 */
import { type IncomingMessage, type RequestOptions, request as requestHttp, STATUS_CODES } from "node:http";
import { request as requestHttps } from "node:https";
import { FabricError } from "../../errors/index.ts";
import type { HttpCheck } from "../check.ts";
import { clipText } from "./output.ts";
import type { ProbeContext, ProbeResult } from "./probe.ts";
import { errorText } from "./tcp-probe.ts";

interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly body: string | undefined;
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

export async function probeHttp(check: HttpCheck, context: ProbeContext): Promise<ProbeResult> {
  const { limits, signal, timeoutMs } = context;
  const method = check.method ?? "GET";
  const target = `HTTP ${method} ${check.url}`;
  let hop: Hop = { url: new URL(check.url), method, body: check.body, headers: check.headers ?? {} };
  try {
    for (let redirects = 0; ; redirects += 1) {
      const response = await send(check, hop, signal);
      const next = check.disableRedirects ? undefined : redirectOf(hop, response);
      if (next && redirects >= limits.redirectsMax) {
        response.destroy();
        return { status: "critical", output: `${target}: stopped after ${redirects} redirects` };
      }
      if (!next) {
        const code = response.statusCode ?? 0;
        const body = await readStart(response, limits.outputMaxBytes);
        const output = `${target}: ${code} ${STATUS_CODES[code] ?? ""} Output: ${body}`;
        return { status: statusOf(code), output: clipText(output, limits.outputMaxBytes) };
      }
      response.destroy();
      hop = next;
    }
  } catch (error) {
    const text = signal.aborted ? `no answer within ${timeoutMs} ms` : errorText(error as Error);
    return { status: "critical", output: clipText(`${target}: ${text}`, limits.outputMaxBytes) };
  }
}

function statusOf(code: number): ProbeResult["status"] {
  if (code >= 200 && code <= 299) return "passing";
  return code === 429 ? "warning" : "critical";
}

function send(check: HttpCheck, hop: Hop, signal: AbortSignal): Promise<IncomingMessage> {
  const headers: Record<string, string | string[]> = { accept: "text/plain, text/*, */*" };
  for (const [name, values] of Object.entries(hop.headers)) {
    headers[name.toLowerCase()] = values.length === 1 ? (values[0] ?? "") : [...values];
  }
  if (hop.body !== undefined) headers["content-length"] = String(Buffer.byteLength(hop.body));
  const options: RequestOptions & { rejectUnauthorized?: boolean; servername?: string } = {
    method: hop.method,
    headers,
    agent: false,
    signal,
  };
  const secure = hop.url.protocol === "https:";
  if (secure && check.tlsSkipVerify) options.rejectUnauthorized = false;
  if (secure && check.tlsServerName !== undefined) options.servername = check.tlsServerName;
  return new Promise((resolve, reject) => {
    const outgoing = (secure ? requestHttps : requestHttp)(hop.url, options, resolve);
    outgoing.on("error", reject);
    outgoing.on("close", () =>
      reject(new FabricError("HEALTH_PROBE_FAILED", "connection closed without an answer")),
    );
    outgoing.end(hop.body);
  });
}

function redirectOf(hop: Hop, response: IncomingMessage): Hop | undefined {
  const code = response.statusCode ?? 0;
  const { location } = response.headers;
  if (location === undefined || ![301, 302, 303, 307, 308].includes(code)) return undefined;
  if (!URL.canParse(location, hop.url.href)) return undefined;
  const url = new URL(location, hop.url);
  if (url.protocol !== "http:" && url.protocol !== "https:") return undefined;
  const headers = url.origin === hop.url.origin ? hop.headers : {};
  const repeated = code === 307 || code === 308;
  const method = repeated || hop.method === "HEAD" ? hop.method : "GET";
  return { url, method, body: repeated ? hop.body : undefined, headers };
}

async function readStart(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length >= maxBytes) break;
  }
  return Buffer.concat(chunks).toString("utf8");
}

/**
 * A typed client of the API for the command line and for tests: one request a connection, over TCP, TLS or a unix
 * socket, with a time limit. Failures are FabricErrors: those of `/v1/heddle/` come back with their own code.
 */
import {
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type RequestOptions,
} from "node:http";
import { pipeline } from "node:stream/promises";
import { type ErrorCode, errorCodes, FabricError } from "../errors/index.ts";
import type { AddressLease, NetworkRecord, NetworkSpec, PoolUse } from "../ipam/index.ts";
import type {
  AuthorityStatus,
  FabricNode,
  JoinTokenInfo,
  NewJoinToken,
  ProcessStatus,
  RecoveryReport,
  TrustBackend,
} from "./fabric-backend.ts";
import type { HttpAddress } from "./http/index.ts";
import type { ConsulRoots } from "./routes/connect-ca.ts";
import { type ClientTls, isTlsFailure, tlsConnector } from "./tls/client-tls.ts";

export const clientTimeoutMs = 30_000;

export interface ClientResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: Buffer;
}

/** HTTPS is known by its port and needs `ClientTls`. */
export type ApiAddress = HttpAddress | { readonly kind: "tls"; readonly host: string; readonly port: number };

export interface ApiClientOptions {
  readonly timeoutMs?: number;
  readonly token?: string;
  readonly tls?: ClientTls;
}

export class ApiClient {
  readonly #address: ApiAddress;
  readonly #timeoutMs: number;
  readonly #token: string | undefined;
  readonly #tls: ClientTls;

  constructor(address: ApiAddress, options: ApiClientOptions = {}) {
    this.#token = options.token;
    this.#address = address;
    this.#timeoutMs = options.timeoutMs ?? clientTimeoutMs;
    this.#tls = options.tls ?? {};
  }

  status(): Promise<ProcessStatus> {
    return this.json("GET", "/v1/heddle/status");
  }

  leases(): Promise<readonly AddressLease[]> {
    return this.json("GET", "/v1/heddle/leases");
  }

  purgePlan(): Promise<readonly string[]> {
    return this.json("GET", "/v1/heddle/purge-plan");
  }

  networks(): Promise<readonly NetworkRecord[]> {
    return this.json("GET", "/v1/heddle/networks");
  }

  createNetwork(spec: NetworkSpec): Promise<NetworkRecord> {
    return this.json("POST", "/v1/heddle/networks", spec);
  }

  async deleteNetwork(name: string, options: { readonly force?: boolean } = {}): Promise<void> {
    await this.send(
      "DELETE",
      `/v1/heddle/networks/${encodeURIComponent(name)}${options.force ? "?force" : ""}`,
    );
  }

  poolUse(network?: string): Promise<readonly PoolUse[]> {
    return this.json("GET", `/v1/heddle/ipam${network ? `?network=${encodeURIComponent(network)}` : ""}`);
  }

  nodes(): Promise<readonly FabricNode[]> {
    return this.json("GET", "/v1/heddle/nodes");
  }

  async forgetNode(name: string, options: { readonly force?: boolean } = {}): Promise<void> {
    await this.send("DELETE", `/v1/heddle/nodes/${encodeURIComponent(name)}${options.force ? "?force" : ""}`);
  }

  authorities(): Promise<ConsulRoots> {
    return this.json("GET", "/v1/connect/ca/roots");
  }

  recovery(): Promise<RecoveryReport> {
    return this.json("GET", "/v1/heddle/recovery");
  }

  finishRecovery(gone: readonly string[]): Promise<RecoveryReport> {
    return this.json("POST", "/v1/heddle/recovery", { gone });
  }

  async cancelRecovery(): Promise<void> {
    await this.send("DELETE", "/v1/heddle/recovery");
  }

  authorityStatus(): Promise<AuthorityStatus> {
    return this.json("GET", "/v1/heddle/authority");
  }

  async rotateAuthority(): Promise<void> {
    await this.send("POST", "/v1/heddle/authority/rotation");
  }

  resetAuthority(): Promise<NewJoinToken> {
    return this.json("POST", "/v1/heddle/authority/reset");
  }

  createToken(spec: Parameters<TrustBackend["createToken"]>[0]): Promise<NewJoinToken> {
    return this.json("POST", "/v1/heddle/tokens", spec);
  }

  tokens(): Promise<readonly JoinTokenInfo[]> {
    return this.json("GET", "/v1/heddle/tokens");
  }

  async removeToken(id: string): Promise<void> {
    await this.send("DELETE", `/v1/heddle/tokens/${encodeURIComponent(id)}`);
  }

  async revokeNode(node: string): Promise<void> {
    await this.send("POST", "/v1/heddle/revocations", JSON.stringify({ node }));
  }

  /** Undefined when there is no such key. */
  async kvGet(key: string): Promise<Buffer | undefined> {
    const response = await this.exchange("GET", `/v1/kv/${encodeURIComponent(key)}?raw`);
    return response.status === 404 ? undefined : assertDone(response).body;
  }

  /** False when `cas` did not match. */
  async kvPut(
    key: string,
    value: Uint8Array | string,
    options: { readonly cas?: number } = {},
  ): Promise<boolean> {
    const cas = options.cas === undefined ? "" : `?cas=${options.cas}`;
    const response = await this.exchange("PUT", `/v1/kv/${encodeURIComponent(key)}${cas}`, value);
    return assertDone(response).body.toString() === "true";
  }

  async kvDelete(key: string, options: { readonly recurse?: boolean } = {}): Promise<void> {
    await this.send("DELETE", `/v1/kv/${encodeURIComponent(key)}${options.recurse ? "?recurse" : ""}`);
  }

  async kvKeys(prefix = ""): Promise<readonly string[]> {
    const response = await this.exchange("GET", `/v1/kv/${encodeURIComponent(prefix)}?keys`);
    return response.status === 404 ? [] : parse(assertDone(response));
  }

  /** An answer in JSON; a failure of the API is thrown. @throws API_UNREACHABLE, API_TIMEOUT, API_RESPONSE, the server's code */
  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    return parse<T>(await this.send(method, path, body === undefined ? undefined : JSON.stringify(body)));
  }

  /** As `json`, for answers without one. */
  async send(method: string, path: string, body?: Uint8Array | string): Promise<ClientResponse> {
    return assertDone(await this.exchange(method, path, body));
  }

  /** A long answer, handed on as it comes; no time limit but on its beginning. @throws API_UNREACHABLE, API_TIMEOUT, the server's code */
  async download(path: string, take: (body: IncomingMessage) => Promise<void>): Promise<void> {
    const response = await this.#open("GET", path);
    if (response.statusCode === 200) return take(response);
    assertDone(await whole(response));
  }

  /** A long body. @throws as download */
  async upload(method: string, path: string, body: AsyncIterable<Uint8Array>): Promise<ClientResponse> {
    return assertDone(await whole(await this.#open(method, path, body)));
  }

  /** The answer when its head is there. The time limit counts while nothing is sent or received. */
  async #open(method: string, path: string, body?: AsyncIterable<Uint8Array>): Promise<IncomingMessage> {
    const options = await this.#request(method, path);
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown) =>
        reject(cause instanceof FabricError ? cause : unreachable(this.#address, cause));
      const request = httpRequest(options, resolve);
      request.setTimeout(this.#timeoutMs, () => request.destroy(timedOut(method, path, this.#timeoutMs)));
      request.on("error", fail);
      if (body) pipeline(body, request).catch(fail);
      else request.end();
    });
  }

  async #request(method: string, path: string): Promise<RequestOptions> {
    const address = this.#address;
    const headers = this.#token ? { "X-Consul-Token": this.#token } : {};
    const request = { method, path, headers };
    if (address.kind === "unix") return { ...request, agent: false, socketPath: address.path };
    const { kind, ...where } = address;
    if (kind === "tcp") return { ...request, ...where, agent: false };
    // Taken only where there is no agent at all, be it one for a single request.
    const createConnection = await tlsConnector(where, this.#tls);
    return { ...request, ...where, createConnection };
  }

  /** Any answer, whatever its status. @throws API_UNREACHABLE, API_TIMEOUT */
  async exchange(method: string, path: string, body?: Uint8Array | string): Promise<ClientResponse> {
    const address = this.#address;
    const options = await this.#request(method, path);
    const length = body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) };
    const headers = { ...(options.headers as OutgoingHttpHeaders), ...length };
    return new Promise((resolve, reject) => {
      const request = httpRequest({ ...options, headers }, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("error", fail);
        response.on("end", () => {
          clearTimeout(timer);
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          });
        });
      });
      const fail = (cause: unknown) => {
        clearTimeout(timer);
        reject(cause instanceof FabricError ? cause : unreachable(address, cause));
      };
      const timer = setTimeout(
        () => request.destroy(timedOut(method, path, this.#timeoutMs)),
        this.#timeoutMs,
      );
      request.on("error", fail);
      request.end(body);
    });
  }
}

/** `http://HOST:PORT`, `https://HOST:PORT` or `unix:PATH`. @throws API_BAD_REQUEST */
export function parseApiAddress(text: string): ApiAddress {
  if (text.startsWith("unix:")) return { kind: "unix", path: text.slice("unix:".length) };
  const url = URL.parse(text);
  const isWhole = url?.pathname === "/" && url.search === "";
  if (isWhole && (url.protocol === "http:" || url.protocol === "https:")) {
    const host = url.hostname.replace(/^\[|\]$/g, "");
    return url.protocol === "http:"
      ? { kind: "tcp", host, port: Number(url.port || 80) }
      : { kind: "tls", host, port: Number(url.port || 443) };
  }
  throw new FabricError(
    "API_BAD_REQUEST",
    `use API address "${text}": write http://HOST:PORT, https://HOST:PORT or unix:PATH`,
  );
}

function parse<T>(response: ClientResponse): T {
  try {
    return JSON.parse(response.body.toString()) as T;
  } catch (cause) {
    throw new FabricError(
      "API_RESPONSE",
      "read the API's answer: it is not JSON; is this Heddle's address?",
      { cause },
    );
  }
}

async function whole(response: IncomingMessage): Promise<ClientResponse> {
  const parts: Buffer[] = [];
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) };
}

function assertDone(response: ClientResponse): ClientResponse {
  if (response.status >= 200 && response.status < 300) return response;
  const text = response.body.toString();
  let failure: { code?: unknown; message?: unknown; details?: unknown } = {};
  if (text.startsWith("{")) failure = parse(response);
  const { code, message, details } = failure;
  if (typeof code === "string" && Object.hasOwn(errorCodes, code) && typeof message === "string")
    throw new FabricError(code as ErrorCode, message, {
      details: (details ?? {}) as Record<string, unknown>,
    });
  throw new FabricError(
    "API_RESPONSE",
    `the API refused with status ${response.status}: ${text.slice(0, 500)}`,
    {
      details: { status: response.status },
    },
  );
}

function unreachable(address: ApiAddress, cause: unknown): FabricError {
  const where = address.kind === "unix" ? address.path : `${address.host}:${address.port}`;
  const errno = (cause as NodeJS.ErrnoException | undefined)?.code ?? "";
  const why = errno === "" || isTlsFailure(errno) ? messageOf(cause) : errno;
  return new FabricError(
    "API_UNREACHABLE",
    `reach the API at ${where}: ${why}; ${adviceOn(address, errno)}`,
    {
      cause,
      details: { address: where, errno },
    },
  );
}

function adviceOn({ kind }: ApiAddress, errno: string): string {
  if (errno === "EACCES") return "you may not open it: run this as root";
  if (kind === "tls" && isTlsFailure(errno))
    return "give the authority by --ca-file (`heddle ca show` prints the fabric's), and a name of the certificate by --tls-server-name";
  if (kind === "tls" && errno === "ECONNRESET")
    return "does it speak HTTPS, and does it demand a client certificate (--client-cert)?";
  return "is heddle running? start it with `heddle up`";
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function timedOut(method: string, path: string, timeoutMs: number): FabricError {
  return new FabricError(
    "API_TIMEOUT",
    `${method} ${path}: no answer in ${timeoutMs} ms; try again, or look at \`heddle status\``,
    {
      details: { timeoutMs },
    },
  );
}

/**
 * The API that a command talks to: `--http`, else what Consul's environment names, else the socket of the agent on this
 * host, else of its server. Variables of Consul's command line mean here what they mean there.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type ApiAddress,
  ApiClient,
  type ApiClientOptions,
  type ClientTls,
  parseApiAddress,
} from "../api/index.ts";
import { apiSockets } from "../daemon/index.ts";
import { FabricError } from "../errors/index.ts";
import type { RemoteOptions } from "./options.ts";

/** For what only the socket of a server answers: of `heddle server`, else of `heddle up`. */
export function connectServer(options: RemoteOptions): ApiClient {
  const { http, runDir } = options;
  if (http !== undefined) return client(parseApiAddress(http), options);
  const server = join(runDir, apiSockets.server);
  return client(
    { kind: "unix", path: existsSync(server) ? server : join(runDir, apiSockets.agent) },
    options,
  );
}

export function connect(options: RemoteOptions): ApiClient {
  const { http = consulAddress(), runDir } = options;
  if (http !== undefined) return client(parseApiAddress(http), options);
  const server = join(runDir, apiSockets.server);
  const agent = join(runDir, apiSockets.agent);
  return client({ kind: "unix", path: !existsSync(agent) && existsSync(server) ? server : agent }, options);
}

function client(address: ApiAddress, options: RemoteOptions): ApiClient {
  return new ApiClient(address, { ...token(), ...(address.kind === "tls" && { tls: tls(options) }) });
}

/** `CONSUL_HTTP_ADDR` has a scheme or none; without one `CONSUL_HTTP_SSL` says which. */
function consulAddress(): string | undefined {
  const address = process.env["CONSUL_HTTP_ADDR"];
  if (!address) return undefined;
  if (address.startsWith("unix://")) return `unix:${address.slice("unix://".length)}`;
  if (address.includes("://")) return address;
  return `${isTrue(process.env["CONSUL_HTTP_SSL"]) ? "https" : "http"}://${address}`;
}

/** Of whoever runs the command; Consul's names are taken, too. @throws CLI_USAGE */
function token(): Pick<ApiClientOptions, "token"> {
  const found = process.env["HEDDLE_TOKEN"] ?? process.env["CONSUL_HTTP_TOKEN"];
  if (found) return { token: found };
  const file = process.env["CONSUL_HTTP_TOKEN_FILE"];
  return file ? { token: read("CONSUL_HTTP_TOKEN_FILE", file).trim() } : {};
}

/** @throws CLI_USAGE */
function tls({ caFile, clientCert, clientKey, tlsServerName }: RemoteOptions): ClientTls {
  if ((clientCert === undefined) !== (clientKey === undefined))
    throw new FabricError("CLI_USAGE", "read --client-cert and --client-key: give both or none");
  const verify = process.env["CONSUL_HTTP_SSL_VERIFY"];
  return {
    ...(caFile !== undefined && { authority: read("--ca-file", caFile) }),
    ...(clientCert !== undefined && { cert: read("--client-cert", clientCert) }),
    ...(clientKey !== undefined && { key: read("--client-key", clientKey) }),
    ...(tlsServerName !== undefined && { serverName: tlsServerName }),
    verify: !verify || isTrue(verify),
  };
}

/** As Go's strconv.ParseBool. @throws CLI_USAGE */
function isTrue(text = "false"): boolean {
  if (/^(?:1|t|true)$/i.test(text)) return true;
  if (/^(?:0|f|false|)$/i.test(text)) return false;
  throw new FabricError(
    "CLI_USAGE",
    `read ${JSON.stringify(text)} of Consul's environment: expected true or false`,
  );
}

function read(option: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new FabricError("CLI_USAGE", `read ${option} ${file}: ${errno}; give a file that you may read`, {
      cause,
    });
  }
}

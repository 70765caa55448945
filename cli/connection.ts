/** The API that a command talks to: `--http`, else the socket of the agent on this host, else of its server. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ApiClient, parseApiAddress } from "../api/index.ts";
import { apiSockets } from "../daemon/index.ts";
import type { RemoteOptions } from "./options.ts";

/** Of whoever runs the command; Consul's name is taken, too. */
function token(): { readonly token?: string } {
  const found = process.env["HEDDLE_TOKEN"] ?? process.env["CONSUL_HTTP_TOKEN"];
  return found ? { token: found } : {};
}

/** For what only the socket of a server answers: of `heddle server`, else of `heddle up`. */
export function connectServer({ http, runDir }: RemoteOptions): ApiClient {
  if (http !== undefined) return new ApiClient(parseApiAddress(http), token());
  const server = join(runDir, apiSockets.server);
  return new ApiClient(
    { kind: "unix", path: existsSync(server) ? server : join(runDir, apiSockets.agent) },
    token(),
  );
}

export function connect({ http, runDir }: RemoteOptions): ApiClient {
  if (http !== undefined) return new ApiClient(parseApiAddress(http), token());
  const server = join(runDir, apiSockets.server);
  const agent = join(runDir, apiSockets.agent);
  return new ApiClient(
    { kind: "unix", path: !existsSync(agent) && existsSync(server) ? server : agent },
    token(),
  );
}

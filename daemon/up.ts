/** `heddle up`: server and agent in one process, joined by the same protocol as over a network, on a unix socket. */

import { type RunningAgent, wireAgent } from "./agent.ts";
import type { AgentOptions, ServerOptions } from "./process/options.ts";
import { startWhole } from "./process/teardown.ts";
import { openServerCore } from "./server.ts";

export type UpOptions = Omit<AgentOptions, "servers"> &
  Pick<ServerOptions, "store" | "grpc" | "mesosDomain" | "acl">;

/** @throws what `startServer` and `startAgent` throw */
export function startUp(options: UpOptions): Promise<RunningAgent> {
  return startWhole(async (teardown) => {
    const core = await openServerCore(options, teardown);
    const local = {
      api: core.api,
      trust: core.trust,
      certificates: core.certificates,
      registry: core.registry,
      components: () => core.components(),
    };
    return wireAgent({ ...options, servers: [core.localAddress] }, teardown, local);
  });
}

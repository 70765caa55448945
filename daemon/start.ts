/**
 * What starts each process. Its parts are loaded then, and no others: a server has no use for the kernel, DNS and Docker,
 * and a command none for either.
 */
import type { RunningAgent } from "./agent.ts";
import type { AgentOptions, ServerOptions } from "./process/options.ts";
import type { RunningServer } from "./server.ts";
import type { UpOptions } from "./up.ts";

/** @throws what `startServer` and `startAgent` throw */
export async function startUp(options: UpOptions): Promise<RunningAgent> {
  return (await import("./up.ts")).startUp(options);
}

/** @throws DAEMON_INSECURE, and what its parts throw when they cannot start */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  return (await import("./server.ts")).startServer(options);
}

/** @throws KERNEL_PERMISSION, STORE_LOCKED, and what its parts throw when they cannot start */
export async function startAgent(options: AgentOptions): Promise<RunningAgent> {
  return (await import("./agent.ts")).startAgent(options);
}

/**
 * A plugin in the place of an agent, which refuses every call. Docker repeats a call that finds nobody, for 15 s each, and
 * gives up one that is refused at once: with the same end, that the agent never hears of it.
 */
import { rmSync } from "node:fs";
import { createServer } from "node:http";

export interface RefusingPlugin {
  /** Methods of calls, as they came. */
  readonly refused: readonly string[];
  /** Takes its socket away. */
  close(): Promise<void>;
}

/** At a socket that nobody listens on. */
export async function refusePlugin(socketPath: string): Promise<RefusingPlugin> {
  const refused: string[] = [];
  const server = createServer((request, response) => {
    refused.push((request.url ?? "").slice(1));
    response.writeHead(500).end(JSON.stringify({ Err: "the agent is away", Error: "the agent is away" }));
  });
  rmSync(socketPath, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socketPath, resolve);
  });
  return {
    refused,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

/**
 * A server that has lost its store cannot keep its agents' nodes alive, but answers what may be old. So it is left only for
 * one that takes the node: the others are asked beside the connection that stands.
 */
import type { Hello } from "../proto/gen/fabric_pb.ts";
import type { Connection } from "./connection.ts";

export interface Search {
  readonly servers: readonly string[];
  /** Undefined when there are no credentials for it. */
  readonly connect: (server: string) => Promise<Connection | undefined>;
  readonly hello: () => Hello;
  /** Nobody needs the answer any more. */
  readonly isOver: () => boolean;
}

/** The first of the servers that welcomes the node; the connection by which it did is closed. Never rejects. */
export async function serverThatTakes({
  servers,
  connect,
  hello,
  isOver,
}: Search): Promise<string | undefined> {
  for (const server of servers) {
    if (isOver()) return undefined;
    const attempt = await connect(server);
    const welcome = await attempt?.open(hello()).catch(() => undefined);
    await attempt?.close(false);
    if (welcome) return server;
  }
  return undefined;
}

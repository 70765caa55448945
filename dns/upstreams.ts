/** Whom to forward to: the configured servers, or /etc/resolv.conf, read again now and then, without ourselves. */
import { readFileSync } from "node:fs";
import type { Clock } from "../clock/index.ts";
import type { NameServer } from "./client/index.ts";
import { parseResolvConf } from "./forward/index.ts";

export interface UpstreamSource {
  readonly servers: readonly NameServer[] | undefined;
  readonly resolvConf: string;
  readonly refreshMs: number;
  readonly clock: Clock;
  /** True for an address that we listen on: asking it would be asking ourselves. */
  readonly isSelf: (server: NameServer) => boolean;
}

export function upstreamServers(source: UpstreamSource): () => readonly NameServer[] {
  let servers: readonly NameServer[] = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = source.clock.monotonicMs();
    if (nowMs - readAtMs < source.refreshMs) return servers;
    readAtMs = nowMs;
    servers = (source.servers ?? readServers(source.resolvConf)).filter((server) => !source.isSelf(server));
    return servers;
  };
}

/** None if the file cannot be read: a machine without one has no upstream. */
function readServers(path: string): NameServer[] {
  try {
    return parseResolvConf(readFileSync(path, "utf8"));
  } catch {
    return [];
  }
}

/** The forwarder as the options want it: default servers, those of single zones, and every bound. */
import type { NameServer } from "./client/index.ts";
import { type StubSource, UpstreamForwarder } from "./forward/index.ts";
import { domainOf } from "./names/index.ts";
import { randomQueryId, type SettledOptions } from "./options.ts";
import { upstreamServers } from "./upstreams.ts";
import { lowerName, nameLabels } from "./wire/index.ts";

/** @param isSelf true for an address that we listen on: asking it would be asking ourselves */
export function makeForwarder(
  options: SettledOptions,
  forward: NonNullable<SettledOptions["forward"]>,
  isSelf: (server: NameServer) => boolean,
  stubs?: StubSource,
): UpstreamForwarder {
  const { clock, limits, domains } = options;
  const source = { resolvConf: forward.resolvConf, refreshMs: limits.resolvConfRefreshMs, clock, isSelf };
  const zones = [{ zone: "", servers: forward.servers }, ...forward.zones];
  return new UpstreamForwarder({
    zones: zones.map(({ zone, servers }) => ({ zone, servers: upstreamServers({ servers, ...source }) })),
    ...(stubs && { stubs }),
    isOurs: (name) => domainOf(nameLabels(lowerName(name)), domains) !== undefined,
    clock,
    randomId: randomQueryId,
    mixCase: forward.mixCase,
    ...(forward.ca !== undefined && { ca: forward.ca }),
    timeoutMs: limits.forwardTimeoutMs,
    triesMax: limits.forwardTriesMax,
    inflightMax: limits.forwardInflightMax,
    hedgesMax: limits.forwardHedgesMax,
    hedgeMinMs: limits.forwardHedgeMinMs,
    restMinMs: limits.forwardRestMinMs,
    restMaxMs: limits.forwardRestMaxMs,
    streamIdleMs: limits.forwardStreamIdleMs,
    staleAfterMs: limits.forwardStaleAfterMs,
    staleRetryMs: limits.forwardStaleRetryMs,
    failureMs: limits.forwardFailureMs,
    cache: {
      entriesMax: limits.forwardCacheEntriesMax,
      bytesMax: limits.forwardCacheBytesMax,
      ttlSecondsMax: limits.forwardTtlSecondsMax,
      negativeTtlSecondsMax: limits.forwardNegativeTtlSecondsMax,
      staleSecondsMax: limits.forwardStaleSecondsMax,
      staleTtlSeconds: limits.staleTtlSecondsMax,
    },
  });
}

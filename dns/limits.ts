/** Every bound of the DNS server, with its default. Named in docs/operations.md. */
export interface DnsLimits {
  /** Largest UDP reply with EDNS; 1232 passes every path without fragments (dnsflagday.net/2020). */
  readonly udpBytesMax: number;
  /** UDP queries on the general path at once, for each address; more are dropped. */
  readonly udpInflightMax: number;
  readonly udpReceiveBufferBytes: number;
  /** For each address. */
  readonly tcpConnectionsMax: number;
  /** For each address and client. */
  readonly tcpConnectionsPerClientMax: number;
  readonly tcpInflightPerConnectionMax: number;
  readonly tcpIdleTimeoutMs: number;
  /** A query over TCP that is larger closes its connection. */
  readonly tcpQueryBytesMax: number;
  /** Replies that a TCP client has not read; more close its connection. */
  readonly tcpUnreadReplyBytesMax: number;
  /** Between two looks at the certificate of DNS over TLS. */
  readonly certificateRefreshMs: number;
  /** Equal replies a second over UDP to one network of strangers; 0: no limit. */
  readonly rateLimitPerSecond: number;
  /** Every how many-th reply beyond it says "ask over TCP"; 0: none. */
  readonly rateLimitSlip: number;
  /** Networks and kinds of replies that are counted, for each address. */
  readonly rateLimitEntriesMax: number;
  /** Length of an IPv4 network that is counted as one client, and of an IPv6 one. */
  readonly rateLimitPrefix4Bits: number;
  readonly rateLimitPrefix6Bits: number;
  /** TTL of our own names while no server can be reached, at most (RFC 8767). */
  readonly staleTtlSecondsMax: number;
  /** From a query to SERVFAIL, when the catalog or an upstream does not answer. */
  readonly replyTimeoutMs: number;
  readonly forwardTimeoutMs: number;
  readonly forwardTriesMax: number;
  readonly forwardInflightMax: number;
  /** Forwarded questions that are asked at a second server before the first has failed. */
  readonly forwardHedgesMax: number;
  /** Shortest time that a server has before another is asked beside it. */
  readonly forwardHedgeMinMs: number;
  /** A server that gave no answer is left alone so long, then twice as long each time. */
  readonly forwardRestMinMs: number;
  readonly forwardRestMaxMs: number;
  /** A connection to a server without a question. */
  readonly forwardStreamIdleMs: number;
  /** How long after its end a forwarded answer is kept for the time when nobody can be asked. */
  readonly forwardStaleSecondsMax: number;
  /** A client waits so long for a fresh answer when there is an expired one. */
  readonly forwardStaleAfterMs: number;
  /** So long after a failure an expired answer is given without asking. */
  readonly forwardStaleRetryMs: number;
  /** So long after a failure the same question fails without asking. */
  readonly forwardFailureMs: number;
  readonly forwardCacheEntriesMax: number;
  readonly forwardCacheBytesMax: number;
  readonly forwardTtlSecondsMax: number;
  readonly forwardNegativeTtlSecondsMax: number;
  readonly resolvConfRefreshMs: number;
  /** Stub zones of SkyDNS, and servers of one; more are left out. */
  readonly stubZonesMax: number;
  readonly stubServersMax: number;
  /** Between two looks at them besides those at each change. */
  readonly stubRefreshMs: number;
  /** Ready answers; beyond either bound those go that were not asked for of late. */
  readonly readyEntriesMax: number;
  readonly readyBytesMax: number;
  /** Services whose instances are watched for flapping; the longest unchanged is forgotten. */
  readonly dampedServicesMax: number;
  /** Instances in Mesos-DNS's list of all tasks; beyond, it is refused. */
  readonly mesosTasksMax: number;
}

export const dnsLimitDefaults: DnsLimits = {
  udpBytesMax: 1232,
  udpInflightMax: 1024,
  udpReceiveBufferBytes: 1 << 20,
  tcpConnectionsMax: 256,
  tcpConnectionsPerClientMax: 32,
  tcpInflightPerConnectionMax: 64,
  tcpIdleTimeoutMs: 10_000,
  tcpQueryBytesMax: 4096,
  tcpUnreadReplyBytesMax: 256 << 10,
  certificateRefreshMs: 10_000,
  rateLimitPerSecond: 200,
  rateLimitSlip: 2,
  rateLimitEntriesMax: 16_384,
  rateLimitPrefix4Bits: 24,
  rateLimitPrefix6Bits: 56,
  staleTtlSecondsMax: 30,
  replyTimeoutMs: 5000,
  forwardTimeoutMs: 1500,
  forwardTriesMax: 3,
  forwardInflightMax: 512,
  forwardHedgesMax: 64,
  forwardHedgeMinMs: 250,
  forwardRestMinMs: 1000,
  forwardRestMaxMs: 30_000,
  forwardStreamIdleMs: 10_000,
  forwardStaleSecondsMax: 86_400,
  forwardStaleAfterMs: 1800,
  forwardStaleRetryMs: 30_000,
  forwardFailureMs: 1000,
  forwardCacheEntriesMax: 10_000,
  forwardCacheBytesMax: 16 << 20,
  forwardTtlSecondsMax: 86_400,
  forwardNegativeTtlSecondsMax: 10_800,
  resolvConfRefreshMs: 10_000,
  stubZonesMax: 256,
  stubServersMax: 16,
  stubRefreshMs: 60_000,
  readyEntriesMax: 262_144,
  readyBytesMax: 48 << 20,
  dampedServicesMax: 4096,
  mesosTasksMax: 10_000,
};

/** Times and sizes of a store in Consul. A value of Consul's is of 512 KiB at most, and a log entry is one value. */
export const consulLimits = {
  /** A call of the store, with everything that it takes. */
  requestTimeoutMs: 10_000,
  /** One request. */
  attemptTimeoutMs: 3000,
  /** Of a blocking query. */
  waitMs: 30_000,
  retryMinMs: 50,
  retryMaxMs: 2000,
  /** Transactions in one log entry, as text: a request of Consul's transactions holds 512 KiB, and base64 takes a third. */
  entryBytesMax: 360 * 1024,
  /** Part of a snapshot in one key. */
  chunkBytesMax: 480 * 1024,
  /** Entries after which a snapshot is due. */
  snapshotEntries: 1000,
  /** Between two looks at which leases were renewed. */
  leaseLookMs: 1000,
  /** Between two looks beyond which the time of all leases begins anew. */
  leaseGapMaxMs: 5000,
  /** Of a lease's key whose lease is not in the log, until it is deleted. */
  leaseStrayMs: 60_000,
} as const;

export type ConsulLimits = { readonly [Name in keyof typeof consulLimits]: number };

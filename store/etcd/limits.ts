/** Times and sizes of the conversation with etcd. */
export const etcdLimits = {
  /** A call with all its attempts. */
  requestTimeoutMs: 5000,
  /** One attempt of a call that may be tried again elsewhere. */
  attemptTimeoutMs: 1500,
  /** Until a member counts as unreachable. */
  connectTimeoutMs: 1000,
  /** How long a member that failed is asked last. */
  memberPenaltyMs: 2000,
  /** Wait between two rounds over all members: doubles from the first to the second. */
  retryMinMs: 50,
  retryMaxMs: 1000,
  /** Silence of the watch after which it is asked for a sign of life, and after which it counts as lost. */
  silenceProbeMs: 2000,
  silenceMaxMs: 5000,
  /** How long a read waits for the watch before it marks the revision by a write, and before it doubts the watch. */
  fenceAfterMs: 20,
  suspectAfterMs: 1000,
  /** One answer. */
  answerBytesMax: 256 * 1024 * 1024,
  /** Keys read at once. */
  pageItemsMax: 1000,
} as const;

export type EtcdLimits = { readonly [Name in keyof typeof etcdLimits]: number };

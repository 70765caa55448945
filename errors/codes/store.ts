/** Codes of `store`. */
export const storeCodes = {
  STORE_AMBIGUOUS: "Nobody can say whether a write happened.",
  STORE_CLOSED: "The store was closed before or during the call.",
  STORE_COMPACTED: "The history that a watch asked for is gone.",
  STORE_CORRUPT: "The store's file is damaged or is not a Heddle store.",
  STORE_DENIED: "The store's engine refuses this user, token or certificate.",
  STORE_FENCED: "A write came from a server that no longer holds the lock for it.",
  STORE_INVALID_KEY: "A key is empty or is not well-formed Unicode.",
  STORE_INVALID_PREFIX: "A store's prefix is no name with a slash at its end.",
  STORE_LEASE_NOT_FOUND: "A lease has ended or never was.",
  STORE_LIMIT: "A key, value, transaction or the whole store is larger than its limit.",
  STORE_LOCKED: "Another process holds the store's file.",
  STORE_SCHEMA_NEWER: "The store's file was written by a newer version.",
  STORE_UNAVAILABLE: "The store cannot read or write now.",
  STORE_UNKNOWN_ENGINE: "A store specification names no engine that is there.",
} as const;

/** Bounds of the conversation with the Docker Engine, each with its default. */
export interface EngineLimits {
  /** Longest wait for an answer, and for the first byte of the event stream. */
  readonly requestTimeoutMs: number;
  /** Largest answer: an inspection of one container, or the list of all. */
  readonly bodyBytesMax: number;
  /** Longest line of the event stream; an event carries all labels of its container. */
  readonly eventBytesMax: number;
  /** Requests under way. */
  readonly requestsMax: number;
}

export const engineLimits: EngineLimits = {
  requestTimeoutMs: 5000,
  bodyBytesMax: 8 * 1024 * 1024,
  eventBytesMax: 256 * 1024,
  requestsMax: 8,
};

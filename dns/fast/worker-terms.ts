/** What the fast thread and its main thread have between them: start data, messages and shared words. */
import type { CookiePolicy, ExemptRange, RateTerms } from "../serve/index.ts";
import type { TableBounds } from "./answer-table.ts";
import type { TableStep } from "./table-step.ts";

export interface WorkerTerms {
  readonly fd: number;
  readonly clientAddressBytes: number;
  readonly bounds: TableBounds;
  /** Where the thread notes which answers it gives (answer-ring.ts). */
  readonly uses: SharedArrayBuffer;
  /** Queries that wait in the main thread; beyond it the fast thread drops. */
  readonly passedMax: number;
  readonly shared: SharedArrayBuffer;
  readonly seed: number;
  readonly cookies: CookiePolicy;
  readonly rate: RateTerms;
}

/** What the main thread tells: steps of the table, and who is never limited. */
export type WorkerStep = TableStep | { readonly kind: "exempt"; readonly ranges: readonly ExemptRange[] };

/** Queries for the general path, with the addresses that asked. */
export type PassedQueries = readonly (readonly [query: Uint8Array, client: Uint8Array])[];

/** Indexes of the shared 32-bit words. */
export const word = {
  /** Raised by the main thread after each step that it posted: the thread applies all steps before it answers. */
  generation: 0,
  /** Set once, by the main thread. */
  stop: 1,
  /** Passed by the thread and not yet taken by the main thread. */
  passed: 2,
} as const;

/** Indexes of the shared 64-bit counters, which begin after the words. */
export const counter = { ready: 0, dropped: 1, passed: 2, limited: 3 } as const;

const wordsBytes = 32;

export function sharedBytes(): SharedArrayBuffer {
  return new SharedArrayBuffer(wordsBytes + 8 * Object.keys(counter).length);
}

export function sharedWords(shared: SharedArrayBuffer): Int32Array {
  return new Int32Array(shared, 0, wordsBytes / 4);
}

export function sharedCounters(shared: SharedArrayBuffer): BigInt64Array {
  return new BigInt64Array(shared, wordsBytes);
}

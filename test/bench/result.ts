/** What a benchmark answers: one row a metric, our median beside each peer's, and the budget it is held to. */
import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";

export interface BenchRow {
  /** Name with its unit last: `add_ms`, `a_1k_cpu_us`. */
  readonly metric: string;
  /** Median of our rounds. */
  readonly heddle: number;
  /** Peer → median of its rounds, in the same run. */
  readonly peers: Readonly<Record<string, number>>;
  /** Peer → ours ÷ theirs. */
  readonly ratio: Readonly<Record<string, number>>;
  /** The ratio that we aim for, or where there is no peer the figure; absent where there is neither. */
  readonly budget?: number;
  /** `at most`: a cost. `at least`: a rate. */
  readonly bound?: "at most" | "at least";
  readonly met?: boolean;
  /** Peer → why it has no figure here. */
  readonly leftOut?: Readonly<Record<string, string>>;
}

export interface BenchResult {
  readonly bench: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly rows: readonly BenchRow[];
}

export interface RowSpec {
  readonly metric: string;
  readonly heddle: readonly number[];
  readonly peers: Readonly<Record<string, readonly number[]>>;
  readonly budget?: number;
  readonly bound?: "at most" | "at least";
  readonly leftOut?: Readonly<Record<string, string>>;
}

/** Medians, ratios and whether the budget is kept: by every ratio, or by our median where there is no peer. */
export function benchRow({ metric, heddle, peers, budget, bound = "at most", leftOut }: RowSpec): BenchRow {
  const ours = median(heddle);
  const theirs = Object.fromEntries(
    Object.entries(peers).map(([peer, values]) => [peer, round(median(values))]),
  );
  const ratio = Object.fromEntries(
    Object.entries(peers).map(([peer, values]) => [peer, round(ours / median(values))]),
  );
  const row = { metric, heddle: round(ours), peers: theirs, ratio, ...(leftOut && { leftOut }) };
  if (budget === undefined) return row;
  const measured = Object.keys(ratio).length === 0 ? [ours] : Object.values(ratio);
  const met = measured.every((value) => (bound === "at most" ? value <= budget : value >= budget));
  return { ...row, budget, bound, met };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1
    ? (sorted[Math.floor(middle)] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** What the figures were taken on. */
export function machine(): Readonly<Record<string, string | number>> {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    debian: execFileSync("cat", ["/etc/debian_version"], { encoding: "utf8" }).trim(),
  };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

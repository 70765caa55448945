/**
 * Runs the cases of a subject within this process, each from its own seed: one that fails is run alone by
 * `--seed N --count 1`. Time: a case that never comes back is seen by a thread of its own, which ends the
 * process and says which case it was. Memory: what is in use after a collection, at a tenth of the run and at its
 * end; what a run of any length keeps must not depend on that length.
 */
import { writeSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { type Random, seeded } from "./mutate.ts";

export interface FuzzSubject {
  /** @throws whatever says why the case failed */
  run(random: Random): void | Promise<void>;
  /** What happened how often, to see that the cases reach what they are meant for. */
  counts(): Readonly<Record<string, number>>;
}

export interface FuzzTerms {
  readonly count: number;
  readonly seed: number;
}

export interface FuzzReport {
  readonly done: number;
  readonly seconds: number;
  readonly slowestMs: number;
  /** Since a tenth of the run. */
  readonly grownKiB: number;
  readonly counts: Readonly<Record<string, number>>;
  /** Each with the seed of its case; the first one ends the run. */
  readonly failures: readonly string[];
}

/** A case that takes longer hangs. Much longer than any case needs on a busy machine. */
const caseMsMax = 20_000;
const lookMs = 500;
/** Caches that fill, code that is compiled; a leak of 64 bytes a case is more within a million of them. */
const grownBytesMax = 32 << 20;
const seedWord = 0;
const doneWord = 1;

export async function fuzzCases(subject: FuzzSubject, terms: FuzzTerms): Promise<FuzzReport> {
  const { count, seed } = terms;
  const progress = new Int32Array(new SharedArrayBuffer(8));
  const watchdog = new Worker(new URL(import.meta.url), { workerData: { progress } });
  watchdog.unref();
  const startMs = performance.now();
  const warmAt = Math.floor(count / 10);
  let slowestMs = 0;
  let warmBytes = usedBytes();
  let done = 0;
  const failures: string[] = [];
  try {
    for (; done < count && failures.length === 0; done++) {
      if (done === warmAt) warmBytes = usedBytes();
      const caseSeed = (seed + done) | 0;
      Atomics.store(progress, seedWord, caseSeed);
      Atomics.store(progress, doneWord, done);
      const caseMs = performance.now();
      try {
        await subject.run(seeded(caseSeed));
      } catch (error) {
        failures.push(
          `seed ${caseSeed}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
        );
      }
      slowestMs = Math.max(slowestMs, performance.now() - caseMs);
    }
  } finally {
    await watchdog.terminate();
  }
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  const grownBytes = usedBytes() - warmBytes;
  if (grownBytes > grownBytesMax)
    failures.push(`memory grew by ${grownBytes} bytes within ${count - warmAt} cases`);
  const grownKiB = Math.round(grownBytes / 1024);
  return { done, seconds, slowestMs: Math.round(slowestMs), grownKiB, counts: subject.counts(), failures };
}

/** On the heap and outside of it, after a full collection. */
function usedBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function watch(progress: Int32Array): void {
  let last = -1;
  let sinceMs = performance.now();
  setInterval(() => {
    const done = Atomics.load(progress, doneWord);
    if (done !== last) sinceMs = performance.now();
    last = done;
    if (performance.now() - sinceMs < caseMsMax) return;
    writeSync(2, `case ${done} hangs; replay: --seed ${Atomics.load(progress, seedWord)} --count 1\n`);
    process.kill(process.pid, "SIGKILL");
  }, lookMs);
}

if (!isMainThread && workerData?.progress instanceof Int32Array) watch(workerData.progress);

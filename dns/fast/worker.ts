/**
 * The fast thread: takes up to 64 queries in one call, answers those that have a ready answer in another, and
 * passes the rest to the main thread. Measured on one core beside dnsperf on the other: half the CPU of a
 * query through node:dgram, as that pays for a system call, a promise and an event each way.
 *
 * Freshness: the main thread posts a step and then raises the generation; this thread compares the generation
 * after it received a batch and before it answers, and applies all posted steps first. So an answer sent after
 * a change was announced is never from before it.
 */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { errno, load } from "koffi";
import { AnswerTable } from "./answer-table.ts";
import { Batch, batchMax } from "./batch.ts";
import { applyStep, type TableStep } from "./table-step.ts";
import { counter, sharedCounters, sharedWords, type WorkerTerms, word } from "./worker-terms.ts";

const msgWaitforone = 0x10000;
const ebadf = 9;

const libc = load(null);
const recvmmsg: (fd: number, headers: Buffer, count: number, flags: number, timeout: null) => number =
  libc.func("int recvmmsg(int, void *, unsigned int, int, void *)");
const sendmmsg: (fd: number, headers: Buffer, count: number, flags: number) => number = libc.func(
  "int sendmmsg(int, void *, unsigned int, int)",
);

function run(terms: WorkerTerms, port: MessagePort): void {
  const { fd, bounds, passedMax } = terms;
  const words = sharedWords(terms.shared);
  const counters = sharedCounters(terms.shared);
  const table = new AnswerTable(bounds);
  const batch = new Batch(bounds.udpBytesMax, terms.clientAddressBytes);
  let generation = 0;
  let random = terms.seed | 1;

  const catchUp = () => {
    generation = Atomics.load(words, word.generation);
    for (let step = receiveMessageOnPort(port); step; step = receiveMessageOnPort(port)) {
      applyStep(table, step.message as TableStep);
    }
  };

  /** Sends slots [from, to), going on after a partial send; what the kernel refuses is lost, as on the network. */
  const send = (from: number, to: number) => {
    for (let at = from; at < to; ) {
      const sent = sendmmsg(fd, at === 0 ? batch.sendHeaders : batch.sendHeadersFrom(at), to - at, 0);
      at += sent > 0 ? sent : 1;
    }
  };

  const answer = (count: number) => {
    const passed: [Uint8Array, Uint8Array][] = [];
    let runStart = 0;
    let ready = 0;
    for (let i = 0; i < count; i++) {
      const start = batch.queryStart(i);
      const length = batch.queryLength(i);
      random ^= random << 13;
      random ^= random >>> 17;
      random ^= random << 5;
      const outAt = i * batch.replyStride;
      const replyLength = table.reply(batch.queries, start, length, random >>> 0, batch.replies, outAt);
      if (replyLength > 0) {
        batch.setReplyLength(i, replyLength);
        ready++;
        continue;
      }
      send(runStart, i);
      runStart = i + 1;
      if (length === 0) Atomics.add(counters, counter.dropped, 1n);
      else passed.push([new Uint8Array(batch.queries.subarray(start, start + length)), batch.client(i)]);
    }
    send(runStart, count);
    Atomics.add(counters, counter.ready, BigInt(ready));
    if (passed.length > 0) pass(passed);
  };

  const pass = (queries: readonly [Uint8Array, Uint8Array][]) => {
    const room = Math.max(0, passedMax - Atomics.load(words, word.passed));
    const taken = queries.slice(0, room);
    Atomics.add(counters, counter.dropped, BigInt(queries.length - taken.length));
    Atomics.add(counters, counter.passed, BigInt(taken.length));
    Atomics.add(words, word.passed, taken.length);
    if (taken.length > 0) port.postMessage(taken);
  };

  while (Atomics.load(words, word.stop) === 0) {
    const count = recvmmsg(fd, batch.receiveHeaders, batchMax, msgWaitforone, null);
    if (count < 0 && errno() === ebadf) return;
    if (Atomics.load(words, word.generation) !== generation) catchUp();
    if (count > 0) answer(count);
  }
}

if (parentPort) run(workerData as WorkerTerms, parentPort);

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
import { systemClock } from "../../clock/index.ts";
import { ClientView, CookieJar, type ExemptRange, RateGate } from "../serve/index.ts";
import { AnswerTable } from "./answer-table.ts";
import { Batch, batchMax } from "./batch.ts";
import { ReadyReplies } from "./ready-replies.ts";
import { applyStep } from "./table-step.ts";
import { clientAddressAt } from "./udp-socket.ts";
import {
  counter,
  sharedCounters,
  sharedWords,
  type WorkerStep,
  type WorkerTerms,
  word,
} from "./worker-terms.ts";

const msgWaitforone = 0x10000;
const ebadf = 9;
/** After the kernel refused a train (a device that cannot, a path that is too narrow), batches without trains. */
const batchesWithoutTrains = 1024;

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
  const table = new AnswerTable(bounds, terms.uses);
  const replies = new ReadyReplies(table, new CookieJar(terms.cookies));
  const batch = new Batch(bounds.udpBytesMax, terms.clientAddressBytes);
  const client = new ClientView();
  const address = clientAddressAt(terms.clientAddressBytes);
  client.bytes = batch.names;
  client.length = address.length;
  let exempt: readonly ExemptRange[] = [];
  const gate = new RateGate(terms.rate, terms.seed, systemClock, () => exempt);
  let generation = 0;
  let random = terms.seed | 1;
  let singles = 0;

  const catchUp = () => {
    generation = Atomics.load(words, word.generation);
    for (let got = receiveMessageOnPort(port); got; got = receiveMessageOnPort(port)) {
      const step = got.message as WorkerStep;
      if (step.kind === "exempt") exempt = step.ranges;
      else applyStep(table, replies, step);
    }
  };

  /** Goes on after a partial send; what the kernel refuses is lost, as on the network. */
  const send = () => {
    for (let at = 0; at < batch.trains; ) {
      const sent = sendmmsg(fd, batch.headersFrom(at), batch.trains - at, 0);
      if (sent > 0) {
        at += sent;
      } else if (batch.isLong(at)) {
        batch.uncouple(at);
        singles = batchesWithoutTrains;
        at = 0;
      } else {
        at++;
      }
    }
  };

  const answer = (count: number) => {
    const passed: [Uint8Array, Uint8Array][] = [];
    const limitedBefore = gate.slipped + gate.dropped;
    let ready = 0;
    let dropped = 0;
    client.nowSeconds = Math.floor(systemClock.wallMs() / 1000);
    if (singles > 0) singles--;
    batch.startReplies();
    for (let i = 0; i < count; i++) {
      const start = batch.messageStart(i);
      const length = batch.queryLength(i);
      client.at = batch.nameStart(i) + address.at;
      if (!replies.find(batch.messages, start, length, batch.roomBytes, client)) {
        if (length === 0) dropped++;
        else passed.push([new Uint8Array(batch.messages.subarray(start, start + length)), batch.client(i)]);
        continue;
      }
      ready++;
      const verdict = gate.judge(client, replies.foundHash, replies.foundCookieValid);
      if (verdict === "drop") continue;
      random ^= random << 13;
      random ^= random >>> 17;
      random ^= random << 5;
      const replyBytes =
        verdict === "slip"
          ? replies.writeTruncated(batch.messages, start, client)
          : replies.write(batch.messages, start, random >>> 0, client);
      batch.addReply(i, replyBytes, singles === 0);
    }
    send();
    if (ready > 0) Atomics.add(counters, counter.ready, BigInt(ready));
    if (dropped > 0) Atomics.add(counters, counter.dropped, BigInt(dropped));
    const limited = gate.slipped + gate.dropped - limitedBefore;
    if (limited > 0) Atomics.add(counters, counter.limited, BigInt(limited));
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

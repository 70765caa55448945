/** How replies are put into trains, and taken out of them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Batch } from "./batch.ts";

interface Reply {
  readonly client: number;
  readonly length: number;
}

/** What the kernel would send: the clients and lengths of the datagrams, train by train (recvmmsg(2), udp(7)). */
function trains(batch: Batch): readonly (readonly number[])[] {
  return Array.from({ length: batch.trains }, (_, train) => {
    const header = batch.headersFrom(train);
    const count = header.readUInt32LE(24);
    expect(header.readUInt32LE(40) > 0).toBe(count > 1);
    return new Array(count).fill(train);
  });
}

function filled(replies: readonly Reply[], joins = true): Batch {
  const batch = new Batch(1232, 16);
  batch.startReplies();
  for (const [i, { client, length }] of replies.entries()) {
    batch.names[batch.nameStart(i) + 7] = client;
    batch.addReply(i, length, joins);
  }
  return batch;
}

const replies = fc.array(fc.record({ client: fc.nat(2), length: fc.constantFrom(50, 60, 1232) }), {
  maxLength: 64,
});

test("a train is for one client, of one length but for a shorter last one, and below 64 KiB", () => {
  fc.assert(
    fc.property(replies, (all) => {
      const counts = trains(filled(all)).map((train) => train.length);
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(all.length);
      let at = 0;
      for (const count of counts) {
        const train = all.slice(at, at + count);
        at += count;
        expect(new Set(train.map(({ client }) => client)).size).toBe(1);
        expect(new Set(train.slice(0, -1).map(({ length }) => length)).size).toBeLessThanOrEqual(1);
        expect(train.at(-1)?.length).toBeLessThanOrEqual(train[0]?.length ?? 0);
        expect(train.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(65_000);
      }
    }),
  );
});

test("equal replies to one client are one train", () => {
  expect(trains(filled(new Array(20).fill({ client: 1, length: 60 }))).length).toBe(1);
});

test("uncoupled, what is left from a train on goes one by one", () => {
  fc.assert(
    fc.property(replies, fc.nat(63), (all, which) => {
      const batch = filled(all);
      const counts = trains(batch).map((train) => train.length);
      if (which >= counts.length) return;
      const before = counts.slice(0, which).reduce((sum, count) => sum + count, 0);
      batch.uncouple(which);
      expect(trains(batch).map((train) => train.length)).toEqual(new Array(all.length - before).fill(1));
    }),
  );
});

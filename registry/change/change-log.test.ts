/** The change log against a list of everything that ever happened. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Change } from "./change.ts";
import { type ChangeCursor, ChangeLog } from "./change-log.ts";

function change(path: string): Change {
  const entry = {
    key: path,
    value: new Uint8Array(0),
    flags: 0n,
    lockIndex: 0,
    createIndex: 1,
    modifyIndex: 1,
  };
  return { path, action: "modify", subject: { kind: "kv", entry } };
}

function drain(cursor: ChangeCursor): string[] {
  const taken: string[] = [];
  for (let batch = cursor.take(); batch; batch = cursor.take())
    for (const { path } of batch.changes) taken.push(`${batch.revision} ${path}`);
  return taken;
}

describe("a cursor", () => {
  it("gets what is under its prefix after its revision, once, in order, however it is interrupted", () => {
    const paths = fc.uniqueArray(fc.constantFrom("a/1", "a/2", "b/1", "ab"), { maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(paths),
        fc.constantFrom("", "a", "a/", "b/"),
        fc.nat(8),
        (revisions, prefix, stops) => {
          const log = new ChangeLog();
          log.reset(1);
          const all: string[] = [];
          let cursor = log.follow(prefix, { revision: 1 });
          const taken: string[] = [];
          for (const [at, touched] of revisions.entries()) {
            const revision = at + 2;
            log.append(revision, touched.toSorted().map(change));
            for (const path of touched.toSorted())
              if (path.startsWith(prefix)) all.push(`${revision} ${path}`);
            const batch = at % 2 === 0 ? cursor.take() : undefined;
            if (!batch) continue;
            // The reader leaves after some of the batch and comes back where it was.
            const read = Math.min(batch.changes.length, stops);
            for (const { path } of batch.changes.slice(0, read)) taken.push(`${batch.revision} ${path}`);
            cursor.close();
            cursor = log.follow(prefix, { revision: batch.revision, seen: batch.seen + read });
          }
          taken.push(...drain(cursor));
          expect(taken).toEqual(all);
          expect(cursor.revision).toBe(log.revision);
        },
      ),
    );
  });

  it("that sleeps through more than the log holds goes on, as nothing of it concerned it", async () => {
    const log = new ChangeLog({ changesMax: 2 });
    log.reset(1);
    const cursor = log.follow("a/", { revision: 1 });
    expect(cursor.take()).toBeUndefined();
    for (let revision = 2; revision < 10; revision++) log.append(revision, [change("b/1")]);
    const woken = cursor.wait(new AbortController().signal);
    log.append(10, [change("a/1")]);
    await woken;
    expect(drain(cursor)).toEqual(["10 a/1"]);
  });

  it("that is too slow, or asks for what is too old, is told so", () => {
    const log = new ChangeLog({ changesMax: 2 });
    log.reset(1);
    const slow = log.follow("a/", { revision: 1 });
    for (let revision = 2; revision < 10; revision++) log.append(revision, [change("a/1")]);
    for (const cursor of [slow, log.follow("a/", { revision: 6 })])
      expect(() => cursor.take()).toThrow(expect.objectContaining({ code: "REGISTRY_COMPACTED" }));
    expect(drain(log.follow("a/", { revision: 7 }))).toEqual(["8 a/1", "9 a/1"]);
  });

  it("that slept when everything was loaded anew is told so", async () => {
    const log = new ChangeLog();
    log.reset(1);
    const cursor = log.follow("a/", { revision: 1 });
    cursor.take();
    const woken = cursor.wait(new AbortController().signal);
    log.reset(5);
    await woken;
    expect(() => cursor.take()).toThrow(expect.objectContaining({ code: "REGISTRY_COMPACTED" }));
  });

  it("holds its log by bytes as well", () => {
    const log = new ChangeLog({ changeBytesMax: 10 });
    log.reset(1);
    for (let revision = 2; revision < 9; revision++) log.append(revision, [change("12345")]);
    expect(log.floor).toBe(7);
  });

  it("of a revision to come waits for it", () => {
    const log = new ChangeLog();
    log.reset(1);
    const cursor = log.follow("a", { revision: 3 });
    expect(cursor.take()).toBeUndefined();
    log.append(2, [change("a")]);
    log.append(3, [change("a")]);
    log.append(4, [change("a")]);
    expect(drain(cursor)).toEqual(["4 a"]);
  });
});

import { beforeEach, describe, expect, it } from "vitest";
import { FabricError } from "../../errors/index.ts";
import { defaultStoreLimits } from "../core/limits.ts";
import type { StoreEvent } from "../store.ts";
import { type CommitOutcome, type Disk, GroupCommit } from "./group-commit.ts";
import type { Changes } from "./protocol.ts";

/** A disk that waits to be told what came of each commit. */
class SlowDisk implements Disk {
  readonly commits: Changes[] = [];
  #answer: ((outcome: CommitOutcome) => void) | undefined;

  commit(changes: Changes): Promise<CommitOutcome> {
    this.commits.push(changes);
    return new Promise((resolve) => {
      this.#answer = resolve;
    });
  }

  async close(): Promise<void> {}

  async answer(kind: "committed" | "undone" | "unknown" = "committed"): Promise<void> {
    const error = new FabricError("STORE_UNAVAILABLE", "write: the disk is full; make room");
    this.#answer?.(kind === "committed" ? { kind } : { kind, error });
    await turn();
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

function putEvent(key: string, revision: number): StoreEvent {
  const item = { key, value: new Uint8Array(1), createRevision: 2, modRevision: revision, version: 1 };
  return { kind: "put", item, created: false };
}

describe("GroupCommit", () => {
  let disk: SlowDisk;
  let group: GroupCommit;
  let log: string[];

  beforeEach(() => {
    disk = new SlowDisk();
    log = [];
    group = new GroupCommit(disk, { ...defaultStoreLimits, pendingTxnsMax: 3 }, () => log.push("reset"));
  });

  function submit(
    name: string,
    revision: number,
    events: readonly StoreEvent[] = [putEvent(name, revision)],
  ): void {
    group.submit({
      revision,
      events,
      done: () => log.push(`done ${name}`),
      fail: (error) => log.push(`fail ${name}: ${error.code}`),
    });
  }

  it("answers nothing before the commit returned, then all in order", async () => {
    submit("a", 2);
    submit("b", 3);
    await turn();
    expect([disk.commits.length, log]).toEqual([1, []]);
    await disk.answer();
    expect(log).toEqual(["done a", "done b"]);
  });

  it("puts all that queued during a commit into the next one", async () => {
    submit("a", 2);
    await turn();
    submit("b", 3);
    submit("c", 4);
    submit("b", 5);
    await disk.answer();
    expect(
      disk.commits.map(({ revision, puts }) => [revision, puts.map((row) => [row.key, row.modRevision])]),
    ).toEqual([
      [2, [["a", 2]]],
      [
        5,
        [
          ["b", 5],
          ["c", 4],
        ],
      ],
    ]);
  });

  it("writes the net: a key made and deleted in one group is a delete", async () => {
    submit("a", 2);
    submit("a", 3, [{ kind: "delete", key: "a", modRevision: 3 }]);
    await turn();
    expect(disk.commits[0]).toMatchObject({ puts: [], deletes: ["a"], revision: 3 });
  });

  it("makes a job that writes nothing wait for those before it, and asks nothing of the disk for it alone", async () => {
    submit("a", 2);
    await turn();
    submit("read", 2, []);
    expect(log).toEqual([]);
    await disk.answer();
    expect([disk.commits.length, log]).toEqual([1, ["done a", "done read"]]);
  });

  it("fails the queue along with an undone commit, resets first, and goes on", async () => {
    submit("a", 2);
    await turn();
    submit("b", 3);
    await disk.answer("undone");
    expect(log).toEqual(["reset", "fail a: STORE_UNAVAILABLE", "fail b: STORE_UNAVAILABLE"]);
    expect(() => group.assertRoom()).not.toThrow();
    submit("c", 2);
    await turn();
    await disk.answer();
    expect(log.at(-1)).toBe("done c");
  });

  it("writes nothing more after an unknown outcome", async () => {
    submit("a", 2);
    await turn();
    submit("b", 3);
    await disk.answer("unknown");
    expect(log).toEqual(["reset", "fail a: STORE_AMBIGUOUS", "fail b: STORE_UNAVAILABLE"]);
    expect(() => group.assertRoom()).toThrow(expect.objectContaining({ code: "STORE_UNAVAILABLE" }));
  });

  it("refuses more than it may hold", async () => {
    submit("a", 2);
    await turn();
    for (const name of ["b", "c", "d"]) submit(name, 3);
    expect(() => group.assertRoom()).toThrow(expect.objectContaining({ code: "STORE_UNAVAILABLE" }));
    await disk.answer();
    expect(() => group.assertRoom()).not.toThrow();
  });
});

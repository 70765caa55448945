/** A replacement as a log of commands: one revision, nobody between, and nothing of one that was taken back. */
import { describe, expect, it } from "vitest";
import { ManualClock } from "../../clock/index.ts";
import { restoreState } from "../core/state.ts";
import { stages } from "./hold.ts";
import { HoldWatch } from "./hold-watch.ts";
import { applyCommand, type Command, type LogState } from "./log-entry.ts";

const value = (text: string) => Buffer.from(text);
const put = (key: string, text: string) => ({ op: "put", key, value: value(text) }) as const;
const txn = (key: string, text: string): Command => ({ kind: "txn", txn: { success: [put(key, text)] } });

function follow(...commands: Command[]) {
  let log: LogState = { state: restoreState(1, [], []) };
  const outcomes = commands.map((command) => {
    const { events: _, outcome, ...next } = applyCommand(log, command);
    log = next;
    return outcome.kind === "done" ? "done" : outcome.error.code;
  });
  const held = log.state.items.prefix("").map((item) => `${item.key}=${Buffer.from(item.value).toString()}`);
  return { outcomes, held, revision: log.state.revision, hold: log.hold };
}

describe("a hold in the log", () => {
  it("keeps every transaction out until what is staged was done as one revision", () => {
    expect(
      follow(
        txn("a", "1"),
        { kind: "hold", id: "x" },
        txn("a", "2"),
        { kind: "stage", id: "x", writes: [put("a", "3"), put("b", "3")] },
        { kind: "stage", id: "x", writes: [{ op: "delete", key: "b" }, put("c", "3")] },
        { kind: "replace", id: "x" },
        txn("d", "4"),
      ),
    ).toEqual({
      outcomes: ["done", "done", "STORE_UNAVAILABLE", "done", "done", "done", "done"],
      held: ["a=3", "c=3", "d=4"],
      revision: 4,
      hold: undefined,
    });
  });

  it("is one server's; another's neither adds to it nor ends it, and may drop it", () => {
    expect(
      follow(
        { kind: "hold", id: "x" },
        { kind: "hold", id: "y" },
        { kind: "stage", id: "y", writes: [put("a", "y")] },
        { kind: "replace", id: "y" },
        { kind: "drop", id: "y" },
        { kind: "stage", id: "x", writes: [put("a", "x")] },
        { kind: "drop", id: "x" },
        { kind: "replace", id: "x" },
        txn("b", "1"),
      ),
    ).toMatchObject({
      outcomes: [
        "done",
        "STORE_UNAVAILABLE",
        "STORE_UNAVAILABLE",
        "STORE_UNAVAILABLE",
        "done",
        "done",
        "done",
        "STORE_UNAVAILABLE",
        "done",
      ],
      held: ["b=1"],
    });
  });

  it("is staged in parts that fit an entry, each at least one write", () => {
    const writes = Array.from({ length: 50 }, (_, at) => put(`key ${at}`, "x".repeat(100)));
    const parts = stages(writes, 1000);
    expect(parts.flat()).toEqual(writes);
    expect(parts.every((part) => part.length >= 1 && part.length <= 4)).toBe(true);
    expect(stages([put("large", "x".repeat(5000))], 1000)).toHaveLength(1);
  });

  it("without progress is dropped, again until that succeeds; with progress it is not", async () => {
    const clock = new ManualClock();
    const dropped: string[] = [];
    let fails = true;
    const watch = new HoldWatch(clock, 1000, async (id) => {
      dropped.push(id);
      if (fails) throw new Error("away");
    });
    watch.look({ id: "x", staged: [] });
    await clock.advance(900);
    watch.look({ id: "x", staged: [] });
    await clock.advance(900);
    expect(dropped).toEqual([]);
    await clock.advance(200);
    fails = false;
    await clock.advance(1000);
    watch.look(undefined);
    await clock.advance(5000);
    expect(dropped).toEqual(["x", "x"]);
  });
});

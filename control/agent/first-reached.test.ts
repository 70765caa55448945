import { describe, expect, it } from "vitest";
import { ManualClock } from "../../clock/index.ts";
import { firstReached } from "./first-reached.ts";

/** Servers that answer after so many milliseconds, refuse after so many (below 0), or never say anything. */
function fixture(answersMs: Readonly<Record<string, number | undefined>>) {
  const clock = new ManualClock();
  const ending = new AbortController();
  const events: string[] = [];
  const say = (event: string) => void events.push(`${clock.monotonicMs()} ${event}`);
  const begin = async (server: string) => {
    const afterMs = answersMs[server];
    say(`begin ${server}`);
    return {
      reach: () =>
        new Promise<void>((resolve, reject) => {
          if (afterMs === undefined) return;
          const end = afterMs < 0 ? () => reject(new Error("refused")) : resolve;
          clock.setTimer(Math.abs(afterMs), end);
        }),
      close: async () => say(`close ${server}`),
    };
  };
  const found = firstReached(Object.keys(answersMs), {
    ...{ begin, clock, random: () => 0, limits: { hedgeMs: 200 }, signal: ending.signal },
    failed: (server) => say(`failed ${server}`),
  });
  return { clock, ending, events, index: found.then((reached) => reached?.index) };
}

describe("the first server that is reached", () => {
  it("is the first of the list when that answers in a moment: nobody else is asked", async () => {
    const { clock, events, index } = fixture({ a: 199, b: 0 });
    await clock.advance(199);
    expect([await index, events]).toEqual([0, ["0 begin a"]]);
  });

  it("is the next one where the others say nothing, each after a moment, and theirs are closed", async () => {
    const { clock, events, index } = fixture({ a: undefined, b: undefined, c: 5, d: 0 });
    await clock.advance(405);
    expect(await index).toBe(2);
    expect(events).toEqual(["0 begin a", "200 begin b", "400 begin c", "405 close a", "405 close b"]);
  });

  it("may still be the first of the list when that is slow", async () => {
    const { clock, events, index } = fixture({ a: 300, b: 150 });
    await clock.advance(300);
    expect([await index, events]).toEqual([0, ["0 begin a", "200 begin b", "300 close b"]]);
  });

  it("comes at once after one that refuses, and while another says nothing", async () => {
    const { clock, events, index } = fixture({ a: undefined, b: -10, c: -10, d: 10 });
    await clock.advance(230);
    expect(await index).toBe(3);
    expect(events.filter((event) => !event.includes("close"))).toEqual([
      "0 begin a",
      "200 begin b",
      "210 failed b",
      "210 begin c",
      "220 failed c",
      "220 begin d",
    ]);
  });

  it("is none when all failed, which the last to fail tells", async () => {
    const { clock, events, index } = fixture({ a: -1000, b: -10 });
    await clock.advance(1000);
    expect(await index).toBeUndefined();
    expect(events).toContain("1000 failed a");
  });

  it("is none, and nothing stays open or is begun, when the search is ended", async () => {
    const { clock, ending, events, index } = fixture({ a: undefined, b: undefined, c: 0 });
    await clock.advance(250);
    ending.abort();
    expect(await index).toBeUndefined();
    await clock.advance(1000);
    expect(events).toEqual(["0 begin a", "200 begin b", "250 close a", "250 close b"]);
  });
});

import { expect, it } from "vitest";
import { SharedRound } from "./shared-round.ts";

function rounds() {
  const asked: { answer: (value: string) => void; fail: (error: Error) => void }[] = [];
  const round = new SharedRound(
    () => new Promise<string>((answer, fail) => void asked.push({ answer, fail })),
  );
  return { asked, round, begun: () => new Promise((resolve) => setImmediate(resolve)) };
}

it("answers who asked during a round by the next one, which they share", async () => {
  const { asked, round, begun } = rounds();
  const first = round.join();
  await begun();
  const later = [round.join(), round.join()];
  await begun();
  expect(asked).toHaveLength(1);
  asked[0]?.answer("old");
  expect(await first).toBe("old");
  await begun();
  expect(asked).toHaveLength(2);
  asked[1]?.answer("new");
  expect(await Promise.all(later)).toEqual(["new", "new"]);
});

it("goes on after a round that failed, whose callers are told", async () => {
  const { asked, round, begun } = rounds();
  const first = round.join();
  await begun();
  const second = round.join();
  asked[0]?.fail(new Error("cut off"));
  await expect(first).rejects.toThrow("cut off");
  await begun();
  asked[1]?.answer("there");
  expect(await second).toBe("there");
});

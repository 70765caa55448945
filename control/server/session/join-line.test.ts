import { describe, expect, it } from "vitest";
import { JoinLine } from "./join-line.ts";

function joins(line: JoinLine) {
  const begun: number[] = [];
  const ends = new Map<number, PromiseWithResolvers<void>>();
  return {
    begun,
    take: (id: number, isGone = () => false) => {
      const end = Promise.withResolvers<void>();
      ends.set(id, end);
      return line.take(isGone, () => {
        begun.push(id);
        return end.promise;
      });
    },
    end: (id: number) => ends.get(id)?.resolve(),
    fail: (id: number) => ends.get(id)?.reject(new Error("the store is away")),
  };
}

describe("JoinLine", () => {
  it("lets so many join at once, and the others in order of arrival", async () => {
    const { begun, take, end } = joins(new JoinLine(2));
    const done = [0, 1, 2, 3].map((id) => take(id));
    expect(begun).toEqual([0, 1]);
    end(1);
    await done[1];
    await Promise.resolve();
    expect(begun).toEqual([0, 1, 2]);
    for (const id of [2, 0, 3]) end(id);
    await Promise.all(done);
    expect(begun).toEqual([0, 1, 2, 3]);
  });

  it("passes over who left, and gives the place of one that failed to the next", async () => {
    const { begun, take, end, fail } = joins(new JoinLine(1));
    const first = take(0);
    const left = take(1, () => true);
    const last = take(2);
    fail(0);
    await expect(first).rejects.toThrow("the store is away");
    await left;
    end(2);
    await last;
    expect(begun).toEqual([0, 2]);
    const again = take(3);
    expect(begun).toEqual([0, 2, 3]);
    end(3);
    await again;
  });
});

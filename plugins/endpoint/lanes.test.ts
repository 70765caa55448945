import fc from "fast-check";
import { expect, test } from "vitest";
import { ManualClock } from "../../clock/index.ts";
import { Lanes } from "./lanes.ts";

const withCode = (code: string) => expect.objectContaining({ code });

test("tasks of one key run one after the other in order, tasks of different keys together", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom("a", "b", "c"), { maxLength: 20 }), async (keys) => {
      const lanes = new Lanes(new ManualClock(), { operationsMax: 100, deadlineMs: 1000 });
      const running = new Set<string>();
      const order: string[] = [];
      await Promise.all(
        keys.map((key, i) =>
          lanes.run(key, "test", async () => {
            expect(running.has(key)).toBe(false);
            running.add(key);
            await Promise.resolve();
            order.push(`${key}${i}`);
            running.delete(key);
          }),
        ),
      );
      for (const key of ["a", "b", "c"]) {
        const expected = keys.flatMap((each, i) => (each === key ? [`${key}${i}`] : []));
        expect(order.filter((each) => each.startsWith(key))).toEqual(expected);
      }
      expect(lanes.pending).toBe(0);
    }),
  );
});

test("a task that fails lets the next one run", async () => {
  const lanes = new Lanes(new ManualClock(), { operationsMax: 10, deadlineMs: 1000 });
  const failing = lanes.run("a", "first", () => Promise.reject(new Error("no")));
  const next = lanes.run("a", "second", async () => "yes");
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe("yes");
});

test("more than operationsMax tasks are refused at once", async () => {
  const lanes = new Lanes(new ManualClock(), { operationsMax: 1, deadlineMs: 1000 });
  const first = lanes.run("a", "first", async () => 1);
  await expect(lanes.run("b", "second", async () => 2)).rejects.toThrow(withCode("ENDPOINT_BUSY"));
  expect(await first).toBe(1);
  await lanes.idle();
  expect(await lanes.run("b", "third", async () => 3)).toBe(3);
});

test("a task that did not begin before its deadline never begins", async () => {
  const clock = new ManualClock();
  const lanes = new Lanes(clock, { operationsMax: 10, deadlineMs: 1000 });
  let finish: () => void = () => undefined;
  let begun = false;
  const first = lanes.run("a", "first", () => new Promise<void>((resolve) => (finish = resolve)));
  const second = lanes.run("a", "second", async () => {
    begun = true;
  });
  const refused = Promise.all([
    expect(first).rejects.toThrow(withCode("ENDPOINT_DEADLINE")),
    expect(second).rejects.toThrow(withCode("ENDPOINT_DEADLINE")),
  ]);
  await clock.advance(1000);
  await refused;
  finish();
  await lanes.idle();
  expect(begun).toBe(false);
});

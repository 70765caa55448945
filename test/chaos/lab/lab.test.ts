/** The short form of `npm run chaos:lab`: a fixed seed, all kinds of faults, every invariant. */
import { expect, test } from "vitest";
import { playChaos } from "./play.ts";

test("processes that are killed, frozen and cut off lose, double and leak nothing", async () => {
  const result = await playChaos({ seed: 1, durationMs: 25_000 });
  const broken = result.verdicts.filter(({ against }) => against.length > 0);
  expect(broken, result.logs).toEqual([]);
  // It tried something.
  expect(Object.keys(result.faults).map((name) => name.split(" ")[0])).toEqual(
    expect.arrayContaining(["kill", "pause", "cut"]),
  );
  expect(result.containers.adds).toBeGreaterThan(0);
  for (const kind of ["get", "put", "cas", "log", "fenced write"])
    expect([kind, result.operations[kind]?.ok ?? 0]).not.toEqual([kind, 0]);
}, 300_000);

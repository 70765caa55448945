/** The short form of `npm run chaos:lab`: a fixed seed by which every kind of fault comes, and every verdict. */
import { expect, test } from "vitest";
import { allKinds } from "./faults/plan.ts";
import { playChaos } from "./play.ts";

test("processes that are hurt in every way lose, double and leak nothing, and claim no age but their own", async () => {
  const result = await playChaos({ seed: 18, durationMs: 20_000 });
  const broken = result.verdicts.filter(({ against }) => against.length > 0);
  expect(broken, result.logs).toEqual([]);
  // It tried something.
  const kinds = Object.keys(result.faults).map((name) => name.split(" ")[0]);
  expect(kinds).toEqual(expect.arrayContaining(allKinds));
  expect(result.containers.adds).toBeGreaterThan(0);
  for (const kind of ["get", "put", "cas", "log", "fenced write"])
    expect([kind, result.operations[kind]?.ok ?? 0]).not.toEqual([kind, 0]);
}, 300_000);

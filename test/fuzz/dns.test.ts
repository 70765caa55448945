/** A short run of the DNS fuzzer; `npm run fuzz -- dns` is the long one. */
import { expect, test } from "vitest";
import { fuzzCases } from "./cases.ts";
import { fuzzDns } from "./dns.ts";

test("10,000 mutated DNS messages do no harm, and reach every path", async () => {
  const { failures, counts } = await fuzzDns({ count: 10_000, seed: 1 });
  expect(failures).toEqual([]);
  for (const [what, count] of Object.entries(counts)) expect([what, count > 200]).toEqual([what, true]);
});

test("a case that fails is told by its seed, and replays", async () => {
  const subject = {
    counts: () => ({}),
    run(random: (below: number) => number) {
      if (random(50) === 7) throw new Error("seven");
    },
  };
  const { failures } = await fuzzCases(subject, { count: 10_000, seed: 3 });
  const [, seed] = /^seed (\d+): Error: seven/.exec(failures[0] ?? "") ?? [];
  const replay = await fuzzCases(subject, { count: 1, seed: Number(seed) });
  expect(replay.failures[0]).toContain(`seed ${seed}:`);
});

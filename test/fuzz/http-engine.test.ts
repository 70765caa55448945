/** A short run beside node:http; `npm run fuzz -- http-engine` is the long one. */
import { expect, test } from "vitest";
import { fuzzHttpEngine } from "./http-engine.ts";

test("no bytes are understood in another way than node:http does", async () => {
  const { failures, counts } = await fuzzHttpEngine({ count: 5000, seed: 1 });
  expect(failures).toEqual([]);
  for (const [what, count] of Object.entries(counts)) expect([what, count > 50]).toEqual([what, true]);
});

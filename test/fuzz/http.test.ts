/** A short run of the HTTP fuzzer; `npm run fuzz -- http` is the long one. */
import { expect, it } from "vitest";
import { fuzzHttp } from "./http.ts";

it("no broken request makes the server fail, hang, crash or keep something", {
  timeout: 120_000,
}, async () => {
  const { failures, sent, statuses, residentMiB } = await fuzzHttp({ count: 3000, seed: 1 });
  expect(failures).toEqual([]);
  expect(sent).toBe(3000);
  // Both what is fine and what is not came through.
  expect(statuses["200"]).toBeGreaterThan(100);
  expect(statuses["400"]).toBeGreaterThan(100);
  expect(residentMiB[1] - residentMiB[0]).toBeLessThan(100);
});

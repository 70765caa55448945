/** Test configuration: one process a file where kernel state is touched, so that setns never meets another test. */
import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/order.ts";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["node_modules/**"],
    pool: "forks",
    globalSetup: ["test/bundled.ts"],
    setupFiles: ["test/own-namespace.ts", "test/patience.ts"],
    sequence: { sequencer: LongestFirst },
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 120_000 } },
    maxWorkers: 2,
  },
});

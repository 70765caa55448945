/** Test configuration: one process a file where kernel state is touched, so that setns never meets another test. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["**/*.test.ts"],
    exclude: ["node_modules/**"],
    pool: "forks",
    setupFiles: ["test/own-namespace.ts"],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
  },
});

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

test("a command whose reader has gone ends without a word", () => {
  const main = join(import.meta.dirname, "main.ts");
  const { stderr } = spawnSync("sh", ["-c", `"$0" "$1" --help | true`, process.execPath, main], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
});

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeWhole } from "./write-whole.ts";

const root = mkdtempSync(join(tmpdir(), "heddle-files-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

test("a file is replaced whole, for its owner alone, and nothing is left beside it", () => {
  const path = join(root, "file");
  for (const text of ["first", "second"]) writeWhole(path, text, 0o600);
  expect(readFileSync(path, "utf8")).toBe("second");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(root)).toEqual(["file"]);
});

test("what cannot be written is told by its path and reason", () => {
  const failing = (path: string, code: string) =>
    expect.objectContaining({ code: "FILES_WRITE_FAILED", details: { path, code } });
  expect(() => writeWhole("/dev/full/x", "text", 0o600)).toThrow(failing("/dev/full/x", "ENOTDIR"));
  expect(() => writeWhole("/proc/none", "text", 0o600)).toThrow(failing("/proc/none", "ENOENT"));
});

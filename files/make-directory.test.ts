import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { makeDirectory } from "./make-directory.ts";

const root = mkdtempSync(join(tmpdir(), "heddle-files-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const modeOf = (path: string) => statSync(path).mode & 0o777;
const failing = (at: string, code: string, path = at) =>
  expect.objectContaining({ code: "FILES_DIRECTORY_FAILED", details: { path, at, code } });

test("each directory that is missing is made with the mode, and one that is there stays as it is", () => {
  makeDirectory(join(root, "a/b"), 0o700);
  makeDirectory(join(root, "a/b/../b/c"), 0o750);
  expect(["a", "a/b", "a/b/c"].map((path) => modeOf(join(root, path)))).toEqual([0o700, 0o700, 0o750]);
  makeDirectory("/", 0o700);
});

test("a file system that makes no directories is told of, and does not hold the process", () => {
  expect(() => makeDirectory("/proc/none/x", 0o700)).toThrow(failing("/proc/none", "ENOENT", "/proc/none/x"));
  expect(() => makeDirectory("/proc/none", 0o700)).toThrow(
    /its file system makes no directories there; name/,
  );
});

test("a file in the way, and a link to nothing, are told of by name", () => {
  const file = join(root, "file");
  writeFileSync(file, "");
  expect(() => makeDirectory(file, 0o700)).toThrow(failing(file, "EEXIST"));
  expect(() => makeDirectory(join(file, "x"), 0o700)).toThrow(failing(file, "EEXIST", join(file, "x")));
  const link = join(root, "link");
  symlinkSync(join(root, "nowhere"), link);
  expect(() => makeDirectory(join(link, "x"), 0o700)).toThrow(failing(link, "EEXIST", join(link, "x")));
});

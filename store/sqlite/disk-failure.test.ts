import { expect, it } from "vitest";
import { FabricError } from "../../errors/index.ts";
import { describeFailure, isUndone } from "./disk-failure.ts";

const ioErrorFsync = 10 | (4 << 8);

it.each([
  ["busy", 5, "STORE_LOCKED", false],
  ["busy in recovery", 5 | (1 << 8), "STORE_LOCKED", false],
  ["corrupt", 11, "STORE_CORRUPT", false],
  ["not a database", 26, "STORE_CORRUPT", false],
  ["full", 13, "STORE_UNAVAILABLE", true],
  ["failed fsync", ioErrorFsync, "STORE_UNAVAILABLE", false],
  ["read only", 8, "STORE_UNAVAILABLE", false],
  ["a file system error", undefined, "STORE_UNAVAILABLE", false],
])("%s is told as what it is; only a full disk is certainly undone", (message, errcode, code, undone) => {
  const error = Object.assign(new Error(message), errcode === undefined ? { code: "EACCES" } : { errcode });
  const failure = describeFailure(error, "open store", "/data/store.db");
  expect(failure).toMatchObject({ code, details: { path: "/data/store.db" } });
  expect(failure.message).toMatch(/^open store \/data\/store\.db: .+; .+/);
  expect(isUndone(error)).toBe(undone);
});

it("an error that has a code already keeps it", () => {
  const error = new FabricError("STORE_SCHEMA_NEWER", "open store: newer; install it", {
    details: { version: 2 },
  });
  expect(describeFailure(error, "open store", "/x")).toEqual(error.toJSON());
});

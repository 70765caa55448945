/**
 * A directory of an operator's naming, made with those above it that are missing: one mkdir(2) for each, each tried once.
 * Node's own `mkdir` with `recursive` climbs up and down for ever where a file system says ENOENT below a directory that
 * is there, as /proc and /sys do, and no signal but SIGKILL ends that.
 */
import { mkdirSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { FabricError } from "../errors/index.ts";

/** What is there stays as it is. `mode` is of each that is made. @throws FILES_DIRECTORY_FAILED */
export function makeDirectory(path: string, mode: number): void {
  const missing: string[] = [];
  for (let at = resolve(path); !isDirectory(at, path); at = dirname(at)) missing.unshift(at);
  for (const each of missing) {
    try {
      mkdirSync(each, { mode });
    } catch (cause) {
      // Another process was quicker, or what is there is no directory.
      if (codeOf(cause) !== "EEXIST" || !isDirectory(each, path)) throw failed(path, each, cause);
    }
  }
}

function isDirectory(path: string, wanted: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (cause) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(cause))) return false;
    throw failed(wanted, path, cause);
  }
}

function failed(path: string, at: string, cause: unknown): FabricError {
  const code = codeOf(cause);
  const why = reasons[code] ?? (cause as Error).message;
  const remedy =
    why === refused ? "run this as root, or name another path" : "name another path, or make it by hand";
  return new FabricError("FILES_DIRECTORY_FAILED", `make directory ${path}: ${at}: ${why}; ${remedy}`, {
    cause,
    details: { path, at, code },
  });
}

const refused = "this user may not";
const reasons: Readonly<Record<string, string>> = {
  EACCES: refused,
  EPERM: refused,
  EEXIST: "it is there and is no directory",
  ENOTDIR: "what is above it is no directory",
  ENOENT: "its file system makes no directories there",
  EROFS: "its file system can only be read",
  ENOSPC: "its file system is full",
};

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "";
}

/**
 * `/proc/sys/net`, which shows the namespace of the thread that opens it. Read and written with Node's
 * synchronous calls, so that one stretch in the namespace is enough.
 */
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { type ErrnoName, refusal } from "../refusal.ts";

/** @throws KERNEL_REFUSED ENOENT for a name that is not there */
export function readSysctl(path: readonly string[]): string {
  return onFile(path, "read", (file) => readFileSync(file, "utf8").trimEnd());
}

/** @throws KERNEL_REFUSED */
export function writeSysctl(path: readonly string[], value: string): void {
  onFile(path, "write", (file) => {
    const fd = openSync(file, constants.O_WRONLY);
    try {
      writeSync(fd, value);
    } finally {
      closeSync(fd);
    }
  });
}

function onFile<T>(path: readonly string[], action: string, use: (file: string) => T): T {
  const what = `${action} sysctl net/${path.join("/")}`;
  const isPlain = path.every((part) => part !== "" && part !== "." && part !== ".." && !/[/\0]/.test(part));
  if (path.length === 0 || !isPlain) throw refusal(what, "EINVAL", "a part of the name is not a file name");
  try {
    return use(`/proc/sys/net/${path.join("/")}`);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw refusal(what, (code ?? "EIO") as ErrnoName);
  }
}

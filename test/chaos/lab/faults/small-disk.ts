/**
 * A data directory on a disk of its own, a small tmpfs of this process's mount namespace, which can be filled to the last
 * byte and emptied. It ends with the world.
 */
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statfsSync, writeSync } from "node:fs";
import { join } from "node:path";
import { run, tryRun } from "../../../lab/command.ts";
import type { Effect } from "./inflict.ts";

/** Some times of what a process here writes to it. */
const sizeMib = 48;
const ballast = "ballast";

export class SmallDisk {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    mkdirSync(path, { recursive: true });
    run(["mount", "-t", "tmpfs", "-o", `size=${sizeMib}m,mode=700`, "tmpfs", path]);
  }

  get filling(): Effect {
    return { begin: () => this.fill(), end: () => this.free() };
  }

  fill(): void {
    const file = openSync(join(this.#path, ballast), "a", 0o600);
    try {
      // The last ones may be gone before this one has them: the process on it writes, too.
      for (const size of [1 << 20, 1 << 12, 1]) writeUntilFull(file, size);
    } finally {
      closeSync(file);
    }
  }

  free(): void {
    rmSync(join(this.#path, ballast), { force: true });
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#path);
    return bavail * bsize;
  }

  /** Everything that is on it is lost. */
  wipe(): void {
    for (const name of readdirSync(this.#path))
      rmSync(join(this.#path, name), { recursive: true, force: true });
  }

  dispose(): void {
    tryRun(["umount", "--lazy", this.#path]);
  }
}

function writeUntilFull(file: number, size: number): void {
  const bytes = Buffer.alloc(size);
  try {
    while (writeSync(file, bytes) === size);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

/** A file that is there whole or not at all, also after a loss of power: written beside, flushed, then put in its place. */
import { renameSync, unlinkSync, writeFileSync } from "node:fs";
import { FabricError } from "../errors/index.ts";

/** Replaces what is there. `mode` as of chmod(2). @throws FILES_WRITE_FAILED, with what was there still in place */
export function writeWhole(path: string, text: string, mode: number): void {
  const beside = `${path}.new`;
  try {
    writeFileSync(beside, text, { mode, flush: true });
    renameSync(beside, path);
  } catch (cause) {
    discard(beside);
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    throw new FabricError(
      "FILES_WRITE_FAILED",
      `write ${path}: ${cause instanceof Error ? cause.message : cause}; make room or give this user the right to, and start again`,
      { cause, details: { path, code } },
    );
  }
}

function discard(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // It was not begun, or is nothing that was written here.
  }
}

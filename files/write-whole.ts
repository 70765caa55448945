/** A file that is there whole or not at all, also after a loss of power: written beside, flushed, then put in its place. */
import { chmodSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { FabricError } from "../errors/index.ts";

/**
 * Replaces what is there. `mode` as of chmod(2), whatever the umask is. Processes may do it at the same time: one of
 * them wins. @throws the system's error, with what was there still in place
 */
export function replaceFile(path: string, content: string | Uint8Array, mode: number): void {
  const beside = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(beside, content, { mode, flush: true });
    chmodSync(beside, mode);
    renameSync(beside, path);
  } catch (error) {
    discard(beside);
    throw error;
  }
}

/** `replaceFile` for the process's own state. @throws FILES_WRITE_FAILED, with what was there still in place */
export function writeWhole(path: string, text: string, mode: number): void {
  try {
    replaceFile(path, text, mode);
  } catch (cause) {
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

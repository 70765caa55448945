/**
 * Heddle as its users start it: by `cli/heddle`, which runs the bundle while that is of the sources as they are, else the
 * sources. `test/bundled.ts` has it made before the tests of a world.
 */
import { join } from "node:path";
import { projectRoot } from "../rules/source-files.ts";

export function heddleCommand(...args: readonly string[]): string[] {
  return [join(projectRoot, "cli/heddle"), ...args];
}

/**
 * Runs once before all tests: makes the bundle of the sources as they are, so that each of the many processes that tests
 * start needs a third of the CPU. Outside of a world no test starts one.
 */
import { bundle } from "../cli/bundle/build.ts";
import { projectRoot } from "./rules/source-files.ts";
import { insideWorld } from "./world.ts";

export async function setup(): Promise<void> {
  if (insideWorld()) await bundle(projectRoot);
}

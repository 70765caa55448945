/**
 * The first file of a bundled process: runs the bundle while it is what the sources say, else the sources, which is slower
 * and heavier but never wrong. It stands with its bundle in `dist/<id>/`.
 */
import { join } from "node:path";
import { keepCompiled } from "../compile-cache.ts";
import { isCurrent } from "./inputs.ts";

const root = join(import.meta.dirname, "..", "..");

if (isCurrent(root, import.meta.dirname)) {
  keepCompiled(root);
  const { runProgram } = await import("../program.ts");
  await runProgram();
} else {
  await import(join(root, "cli", "main.ts"));
}

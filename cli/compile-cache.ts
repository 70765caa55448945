/**
 * Node compiles our code at each start unless it may keep the result, which is much of the time that a start takes; so
 * the cache is switched on before anything is imported. It lies beside the installed packages, never in a
 * directory that others may write to.
 */
import { enableCompileCache } from "node:module";
import { join } from "node:path";

export function keepCompiled(root: string): void {
  const directory = join(root, "node_modules", ".cache", "heddle");
  enableCompileCache(directory);
  // Worker threads look here.
  process.env["NODE_COMPILE_CACHE"] = directory;
}

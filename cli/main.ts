#!/usr/bin/env node
/**
 * The first file of every process. Node compiles our sources at each start unless it may keep the result, which
 * is most of the time that a start takes (0.25 s of 0.6 s); so the cache is switched on before anything is
 * imported. It lies beside the installed packages, never in a directory that others may write to.
 */
import { enableCompileCache } from "node:module";
import { join } from "node:path";

enableCompileCache(join(import.meta.dirname, "..", "node_modules", ".cache", "heddle"));
const { runProgram } = await import("./program.ts");
await runProgram();

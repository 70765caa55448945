#!/usr/bin/env node
/**
 * The first file of every process. Node compiles our sources at each start unless it may keep the result, which
 * is most of the time that a start takes; so the cache is switched on before anything is
 * imported. It lies beside the installed packages, never in a directory that others may write to.
 */
import { enableCompileCache } from "node:module";
import { join } from "node:path";

const directory = join(import.meta.dirname, "..", "node_modules", ".cache", "heddle");
enableCompileCache(directory);
// Worker threads look here.
process.env["NODE_COMPILE_CACHE"] = directory;
const { runProgram } = await import("./program.ts");
await runProgram();

#!/usr/bin/env node
/** The first file of a process that runs the sources as they are; `cli/heddle` prefers a bundle of them (`bundle/`). */
import { join } from "node:path";
import { keepCompiled } from "./compile-cache.ts";

keepCompiled(join(import.meta.dirname, ".."));
const { runProgram } = await import("./program.ts");
await runProgram();

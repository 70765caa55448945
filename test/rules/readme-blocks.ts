/** What README.md tells a newcomer to type: its `sh` blocks, command by command. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "./source-files.ts";

export const readmeText = readFileSync(join(projectRoot, "README.md"), "utf8");

/** Each block a list of its lines. */
export const readmeBlocks: readonly (readonly string[])[] = [
  ...readmeText.matchAll(/^```sh\n(.*?)^```$/gms),
].map((match) => (match[1] ?? "").trimEnd().split("\n"));

/** In the order of the page: how to start, what to try, how to test. */
export const [startBlock = [], tryBlock = [], testBlock = []] = readmeBlocks;

/** What the text around the blocks says to end with. */
export const endCommand = "npx heddle down --purge";

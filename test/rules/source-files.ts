/** The files that the rules look at: what git tracks or would track, read once. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const projectRoot = join(import.meta.dirname, "..", "..");

export interface SourceFile {
  /** Relative to the project, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** TypeScript sources, generated code left out. */
export function sourceFiles(): readonly SourceFile[] {
  return listFiles().filter(({ path }) => path.endsWith(".ts") && !path.includes("/proto/gen/"));
}

/** Sources that ship: no tests, nothing below test/, no tool configuration. */
export function productFiles(): readonly SourceFile[] {
  return sourceFiles().filter(
    ({ path }) => path.includes("/") && !path.startsWith("test/") && !path.endsWith(".test.ts"),
  );
}

export function listFiles(): readonly SourceFile[] {
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: projectRoot,
    encoding: "utf8",
  });
  return listed
    .split("\n")
    .filter((path) => path !== "" && existsSync(join(projectRoot, path)))
    .map((path) => ({ path, text: readFileSync(join(projectRoot, path), "utf8") }));
}

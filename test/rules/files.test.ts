/** Length, header and habits of every source file. */
import { describe, expect, it } from "vitest";
import { longest } from "../order.ts";
import { listFiles, productFiles, sourceFiles } from "./source-files.ts";

const lengthMax = 400;
const medianMax = 130;

function lines(text: string): number {
  return text.split("\n").length - 1;
}

describe("files", () => {
  it(`no source file is longer than ${lengthMax} lines`, () => {
    const long = sourceFiles().filter(
      ({ path, text }) => !path.endsWith(".test.ts") && lines(text) > lengthMax,
    );
    expect(long.map(({ path, text }) => `${path}: ${lines(text)} lines; is it two things?`)).toEqual([]);
  });

  it(`the median source file is at most ${medianMax} lines`, () => {
    const lengths = productFiles().map(({ text }) => lines(text));
    lengths.sort((a, b) => a - b);
    expect(lengths[Math.floor(lengths.length / 2)]).toBeLessThanOrEqual(medianMax);
  });

  it("every module begins with a header that says what it is for", () => {
    const bare = sourceFiles().filter(({ path, text }) => {
      const body = text.replace(/^#!.*\n/, "");
      return !(path.endsWith(".test.ts") ? /^(\/\*\*|import)/ : /^\/\*\*/).test(body);
    });
    expect(bare.map(({ path }) => path)).toEqual([]);
  });

  it("puts only tests first that there are", () => {
    const paths = new Set(sourceFiles().map(({ path }) => path));
    expect(longest.filter((path) => !paths.has(path))).toEqual([]);
  });

  it("names no file after nothing", () => {
    const vague = /(^|\/)(utils?|helpers?|common|misc|manager)(\.ts|\/)/;
    expect(
      sourceFiles()
        .map(({ path }) => path)
        .filter((path) => vague.test(path)),
    ).toEqual([]);
    expect(
      sourceFiles()
        .map(({ path }) => path)
        .filter((path) => /[A-Z]/.test(path.split("/").pop() ?? "")),
    ).toEqual([]);
  });

  it("makes directories in the one way that always ends", () => {
    // A bundle is made below the project, before anything of it is loaded.
    const others = productFiles().filter(
      ({ path, text }) => path !== "cli/bundle/build.ts" && /\bmkdir(Sync)?\([^)]*recursive/.test(text),
    );
    expect(others.map(({ path }) => path)).toEqual([]);
  });

  it("leaves nothing for later", () => {
    const later = new RegExp(`\\b(TO${""}DO|FIX${""}ME|X${""}XX)\\b|\\.(skip|only)\\(|@ts-(ignore|nocheck)`);
    const found = sourceFiles().filter(
      ({ path, text }) => path !== "test/rules/files.test.ts" && later.test(text),
    );
    expect(found.map(({ path }) => path)).toEqual([]);
  });

  it("locks every package without naming where it came from, those of other platforms included", () => {
    // A registry that lacks one of them makes npm leave it out of the lock file, and `npm ci` then refuses to install.
    const text = listFiles().find(({ path }) => path === "package-lock.json")?.text ?? "{}";
    const { packages } = JSON.parse(text) as { packages: Record<string, { optionalDependencies?: object }> };
    const optional = Object.values(packages).flatMap((each) => Object.keys(each.optionalDependencies ?? {}));
    expect(optional.filter((name) => !packages[`node_modules/${name}`])).toEqual([]);
    expect(text).not.toContain('"resolved"');
  });
});

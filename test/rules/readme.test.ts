/** README.md is true: what it tells a newcomer to type runs, word for word, and leaves the machine as it was. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { endCommand, readmeBlocks, readmeText, startBlock, testBlock, tryBlock } from "./readme-blocks.ts";
import type { Walk } from "./readme-walk.ts";
import { projectRoot } from "./source-files.ts";

/** What each command of the second block must print. A new one needs a row here. */
const expected: readonly (readonly [command: string, prints: RegExp])[] = [
  ["/v1/kv/greeting", /^true$/],
  ["kv get greeting", /^hello$/],
  ["/v1/agent/service/register", /^$/],
  ["dig ", /^127\.0\.0\.1\n$/],
  ["heddle status", /^heddle up \d.*\nregistry +ok +1 nodes, 1 services, 0 checks, 1 keys\n/s],
];

describe("README.md", () => {
  it("has three blocks of commands: start, try, test", () => {
    expect(readmeBlocks).toHaveLength(3);
    expect(startBlock).toEqual(["npm ci && npm start"]);
    expect(tryBlock.length).toBeGreaterThan(0);
    expect(testBlock).toEqual(["npm ci && npm test"]);
    expect(readmeText).toContain(`\`${endCommand}\``);
  });

  it("tells the same test command as .ci/run calls", () => {
    const script = readFileSync(join(projectRoot, ".ci", "run"), "utf8").split("\n");
    const commands = script.filter((line) => !/^(#.*|set -e|cd .*|)$/.test(line));
    expect(commands).toEqual(testBlock);
  });

  it("names no npm script that is not there", () => {
    const { scripts } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8"));
    const pages = readmeText + readFileSync(join(projectRoot, "CONTRIBUTING.md"), "utf8");
    const named = [...pages.matchAll(/npm run ([a-z]+)/g)].map((match) => match[1] ?? "");
    expect(named.filter((name) => !Object.hasOwn(scripts, name))).toEqual([]);
  });
});

describe("whoever follows README.md", () => {
  let walk: Walk;
  beforeAll(() => {
    if (process.getuid?.() !== 0)
      throw new Error("following README.md makes network namespaces, which needs root: run this as root");
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ["test/world.ts", process.execPath, "test/rules/readme-walk.ts"],
      { cwd: projectRoot, encoding: "utf8", timeout: 110_000 },
    );
    if (status !== 0) throw new Error(`follow README.md: status ${status}\n${stderr}`);
    walk = JSON.parse(stdout);
  }, 120_000);

  it("is told where everything runs and what to try", () => {
    expect(walk.ready).toMatch(/^HTTP +http:\/\/127\.0\.0\.1:8500$/m);
    expect(walk.ready).toMatch(/^DNS +127\.0\.0\.1:8600$/m);
  });

  it.each(tryBlock)("sees `%s` succeed", (command) => {
    const prints = expected.find(([part]) => command.includes(part))?.[1];
    expect(prints, "say above what it must print").toBeDefined();
    const tried = walk.tried.find((each) => each.command === command);
    expect(tried, tried?.stderr).toMatchObject({ status: 0, stdout: expect.stringMatching(prints ?? /^/) });
  });

  it("has the machine as it was after the end", () => {
    expect(walk.end, walk.end.stderr).toMatchObject({ status: 0 });
    expect(walk.started, walk.started.stderr).toMatchObject({ status: 0 });
    for (const mark of ["proto 72", "table inet heddle", "169.254.1.1", "ip_forward = 1"])
      expect(walk.kernelWhile).toContain(mark);
    expect(walk.kernelAfter).toBe(walk.kernelBefore);
  });
});

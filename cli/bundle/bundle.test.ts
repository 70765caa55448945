/** On a copy of the project, so that its sources can be edited. */
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Background, tryRun, waitFor } from "../../test/lab/command.ts";
import { productFiles, projectRoot } from "../../test/rules/source-files.ts";
import { bundle } from "./build.ts";
import { isCurrent, readInput } from "./inputs.ts";

const root = mkdtempSync(join(tmpdir(), "heddle-bundle-"));
const current = join(root, "dist/current");
const program = join(root, "cli/program.ts");
const bundledAt = new Date(2020, 0);
const heddle = (...args: string[]) => tryRun([join(root, "cli/heddle"), ...args]);

beforeAll(async () => {
  for (const folder of new Set(productFiles().map(({ path }) => path.split("/")[0] ?? "")))
    cpSync(join(projectRoot, folder), join(root, folder), { recursive: true });
  cpSync(join(projectRoot, "package.json"), join(root, "package.json"));
  symlinkSync(join(projectRoot, "node_modules"), join(root, "node_modules"));
  replaceIn(join(root, "cli/commands/status.ts"), /^export async function status.*$/m, "$& throwsHere();");
  utimesSync(program, bundledAt, bundledAt);
  await bundle(root);
});

afterAll(() => rmSync(root, { recursive: true, force: true }));

describe("the bundle", () => {
  it("is run while the sources are those that it was made of", () => {
    unnoticed(program, "Container", "Cpntainer");
    expect(heddle("--help").stdout).toContain("Container networking");
    unnoticed(program, "Cpntainer", "Container");
  });

  it("is never run after one of them changed", () => {
    replaceIn(program, "Container networking", "Changed  networking");
    expect(heddle("--help").stdout).toContain("Changed  networking");
    replaceIn(program, "Changed  networking", "Container networking");
  });

  it("is current when only times changed, and when asked by times is not", () => {
    utimesSync(program, new Date(), new Date(0));
    expect(isCurrent(root, current)).toBe(true);
    expect(isCurrent(root, current, { byTimes: true })).toBe(false);
  });

  it("finds the modules of Node that are loaded when they are needed", () => {
    const { stderr } = heddle("kv", "get", "x", "--http", "https://127.0.0.1:1");
    expect(stderr).toContain("ECONNREFUSED");
  });

  it("has no language of zod but the one that is used", () => {
    const sources: readonly string[] = JSON.parse(readFileSync(join(current, "sources.json"), "utf8"));
    expect(sources.filter((path) => path.includes("/zod/v4/locales/")).map((path) => basename(path))).toEqual(
      ["en.js"],
    );
  });

  it("is not current when a source is gone, and where there is none", () => {
    const error = join(root, "cli/exit.ts");
    const text = readFileSync(error);
    rmSync(error);
    expect(isCurrent(root, current)).toBe(false);
    writeFileSync(error, text);
    expect(isCurrent(root, current)).toBe(true);
    expect(isCurrent(root, join(root, "dist/none"))).toBe(false);
  });

  it("is not current when something came that was not there", () => {
    const bundle = mkdtempSync(join(root, "bundle-"));
    writeFileSync(join(bundle, "inputs.json"), JSON.stringify([readInput(root, "later.json").input]));
    expect(isCurrent(root, bundle)).toBe(true);
    writeFileSync(join(root, "later.json"), "{}");
    expect(isCurrent(root, bundle)).toBe(false);
  });

  it("says in stack traces where in the sources", () => {
    const lines = readFileSync(join(root, "cli/commands/status.ts"), "utf8").split("\n");
    const line = lines.findIndex((each) => each.includes("throwsHere")) + 1;
    const { stderr } = heddle("status", "--run-dir", root);
    expect(stderr).toContain("throwsHere is not defined");
    expect(stderr).toMatch(new RegExp(`at .*status.*/cli/commands/status\\.ts:${line}\\b`));
  });

  it("runs a server, whose disk thread is of the bundle, too", async () => {
    const places = ["--run-dir", join(root, "run"), "--data-dir", join(root, "data")];
    const listen = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--insecure"];
    const server = new Background([join(root, "cli/heddle"), "server", ...places, ...listen, "--json"]);
    try {
      const isUp = () => {
        if (!server.running) throw new Error(server.stderr);
        return server.stdout.includes("\n") || undefined;
      };
      await waitFor("the server", isUp, 60_000);
    } finally {
      expect(await server.stop(20_000)).toBe(0);
    }
  });

  it("is made again only when something changed, and leaves the one before to who still runs on it", async () => {
    const made = () => readdirSync(join(root, "dist")).filter((name) => name !== "current");
    await bundle(root);
    const first = made();
    await bundle(root);
    expect(made()).toEqual(first);
    for (const text of ["One", "Two"]) {
      replaceIn(program, /Container networking|One|Two/, text);
      await bundle(root);
      expect(heddle("--help").stdout).toContain(text);
      expect(made()).toHaveLength(2);
    }
    expect(made().filter((id) => first.includes(id))).toEqual([]);
  });
});

function replaceIn(file: string, from: string | RegExp, to: string): void {
  const text = readFileSync(file, "utf8");
  expect(text).toMatch(from);
  writeFileSync(file, text.replace(from, to));
}

/** Of the same length. */
function unnoticed(file: string, from: string, to: string): void {
  replaceIn(file, from, to);
  utimesSync(file, bundledAt, bundledAt);
}

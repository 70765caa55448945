/**
 * Imports point down only. A folder may import the rows below its own, never its own row, and only through
 * the other folder's `index.ts`. The rows are the house of docs/architecture.md; the reason for each is that a
 * lower row must be usable, and testable, without the upper one.
 */
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { productFiles } from "./source-files.ts";

const rows: readonly (readonly string[])[] = [
  ["cli", "web"],
  ["daemon"],
  ["plugins", "api"],
  ["control"],
  ["dns", "health", "overlay"],
  ["ipam", "registry"],
  ["store", "kernel"],
  ["addr", "files"],
  ["clock", "errors"],
];

/** npm packages and Node modules that only one place may use, and why. */
const reserved: readonly { readonly module: RegExp; readonly only: RegExp; readonly because: string }[] = [
  { module: /^node:sqlite$/, only: /^store\/sqlite\//, because: "its class names may still change" },
  { module: /^koffi$/, only: /^(kernel\/libc|dns\/fast)\//, because: "libc is called in two audited places" },
  { module: /^@grpc\//, only: /^(control|store\/etcd)\//, because: "the transport is control's business" },
  { module: /^commander$/, only: /^cli\//, because: "only the command line parses the command line" },
  { module: /^pino$/, only: /^(daemon|cli)\//, because: "modules are handed a log, they do not make one" },
];

/** The release's name and number, which belong to no row. */
const manifest = "package.json";

function importsOf(text: string): string[] {
  const statement =
    /^\s*(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/gm;
  return [...text.matchAll(statement)].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}

function rowOf(folder: string): number {
  return rows.findIndex((row) => row.includes(folder));
}

function complaint(from: string, specifier: string): string | undefined {
  const rule = reserved.find(({ module }) => module.test(specifier));
  if (rule && !rule.only.test(from)) return `${from} imports ${specifier}, reserved because ${rule.because}`;
  if (!specifier.startsWith(".")) return undefined;
  const to = normalize(join(dirname(from), specifier));
  if (to === manifest) return undefined;
  const fromFolder = from.split("/")[0] ?? "";
  const toFolder = to.split("/")[0] ?? "";
  if (fromFolder === toFolder) return undefined;
  if (rowOf(toFolder) < 0) return `${from} imports ${to}, which is in no row`;
  if (rowOf(toFolder) <= rowOf(fromFolder)) return `${from} imports ${to}: imports point down only`;
  if (to !== `${toFolder}/index.ts`) return `${from} imports ${to}: use the door ${toFolder}/index.ts`;
  return undefined;
}

describe("imports", () => {
  it("every product folder stands in a row", () => {
    const folders = new Set(productFiles().map(({ path }) => path.split("/")[0] ?? ""));
    expect([...folders].filter((folder) => rowOf(folder) < 0)).toEqual([]);
  });

  it("point down only, through the door, and to reserved modules from their one place", () => {
    const complaints = productFiles().flatMap(({ path, text }) =>
      importsOf(text).map((specifier) => complaint(path, specifier)),
    );
    expect(complaints.filter((each) => each !== undefined)).toEqual([]);
  });

  it("the rule itself refuses an upward, a sideways and a back-door import", () => {
    expect(complaint("store/memory/x.ts", "../../ipam/index.ts")).toContain("point down only");
    expect(complaint("ipam/x.ts", "../registry/index.ts")).toContain("point down only");
    expect(complaint("ipam/x.ts", "../addr/ip.ts")).toContain("door");
    expect(complaint("api/x.ts", "node:sqlite")).toContain("reserved");
    expect(
      importsOf('import {\n  a,\n} from "../b.ts";\nexport * from "./c.ts";\nawait import("./d.ts")'),
    ).toEqual(["../b.ts", "./c.ts", "./d.ts"]);
  });
});

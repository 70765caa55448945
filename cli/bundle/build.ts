/**
 * Makes one bundle of command line, processes, their threads and the packages they use:
 *
 *   node cli/bundle/build.ts         `dist/<id>/`, and `dist/current` naming it; nothing where that is current
 *
 * Always holds: `dist/current` is a whole bundle, also while another one is made and when the maker dies; a process that
 * runs on the bundle before finds what it has not loaded yet. Only koffi and its native module stay outside.
 */
import { randomUUID } from "node:crypto";
import {
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { isBuiltin, SourceMap, type SourceMapPayload } from "node:module";
import { basename, join, relative } from "node:path";
import { build, type Plugin } from "esbuild";
import { type Input, inputsFile, isCurrent, readInput } from "./inputs.ts";
import { type SourceLine, writeSourceLines } from "./source-lines.ts";

/** What a process or a thread begins with, and where the others expect it. */
const entries = {
  heddle: "cli/bundle/launch.ts",
  worker: "dns/fast/worker.ts",
  "disk-thread": "store/sqlite/disk-thread.ts",
};
/** What else decides what a bundle is: this file, and the one that npm writes whenever it changes the installed packages. */
const besides = ["cli/bundle/build.ts", "node_modules/.package-lock.json"];

/** Makes the bundle of the project at `root` unless it is current; answers its directory. */
export async function bundle(root: string): Promise<string> {
  const dist = join(root, "dist");
  const current = join(dist, "current");
  if (isCurrent(root, current, { byTimes: true })) return current;
  const id = randomUUID().slice(0, 8);
  const directory = join(dist, id);
  mkdirSync(directory, { recursive: true });
  try {
    await write(root, directory);
  } catch (error) {
    rmSync(directory, { recursive: true, force: true });
    // Another maker that was quicker took ours away.
    if (isCurrent(root, current)) return current;
    throw error;
  }
  const before = linkOf(current);
  symlinkSync(id, join(dist, `${id}.link`));
  renameSync(join(dist, `${id}.link`), current);
  const kept = ["current", id, before];
  for (const name of readdirSync(dist).filter((each) => !kept.includes(each)))
    rmSync(join(dist, name), { recursive: true, force: true });
  return current;
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

async function write(root: string, directory: string): Promise<void> {
  const inputs = new Map<string, Input>();
  const read = (path: string) => {
    const { input, content } = readInput(root, path);
    inputs.set(path, input);
    return content;
  };
  for (const path of besides) read(path);
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: entries,
    outdir: directory,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    external: ["koffi"],
    plugins: [ownSources(root, read), plainBuiltins],
    tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    sourcemap: "external",
    sourcesContent: false,
    legalComments: "none",
    write: false,
    logLevel: "error",
  });
  const texts = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  const origins = new Map<string, readonly (SourceLine | undefined)[]>();
  for (const [name, text] of texts) {
    const map = texts.get(`${name}.map`);
    if (map === undefined) continue;
    writeFileSync(join(directory, name), text);
    origins.set(name, originsOf(text, JSON.parse(map), relative(root, directory)));
  }
  writeSourceLines(directory, origins);
  writeFileSync(join(directory, inputsFile), JSON.stringify([...inputs.values()]));
}

/** Each thread has an `Error` of its own. On the line of what follows, whose number stays. */
const stacksFirst = Buffer.from('import "/cli/bundle/stacks.ts";');
const isEntry = (path: string) => Object.values(entries).includes(path);

function ownSources(root: string, read: (path: string) => Buffer): Plugin {
  return {
    name: "own sources",
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^\/cli\// }, ({ path }) => ({ path: join(root, path) }));
      onLoad({ filter: /\.(ts|json)$/ }, ({ path }) => {
        const own = relative(root, path);
        if (own.startsWith("..") || own.includes("node_modules/")) return undefined;
        const content = read(own);
        if (own.endsWith(".json")) return { contents: content, loader: "json" };
        const contents = isEntry(own) ? Buffer.concat([stacksFirst, content]) : content;
        return { contents, loader: "ts" };
      });
    },
  };
}

/**
 * Node's modules as plain objects: `import` of one reads each of its properties, and those of node:http load undici. Not
 * where one is imported when it is needed: that would give an object with nothing but a default.
 */
const plainBuiltins: Plugin = {
  name: "plain builtins",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^[a-z:/_0-9]+$/ }, ({ path, kind }) => {
      if (!isBuiltin(path)) return undefined;
      return kind === "dynamic-import" ? { path, external: true } : { path, namespace: "builtin" };
    });
    onLoad({ filter: /.*/, namespace: "builtin" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

/** By the first thing on each line: the bundler begins one for each statement. */
function originsOf(text: string, map: SourceMapPayload, directory: string): (SourceLine | undefined)[] {
  const sourceMap = new SourceMap(map);
  return text.split("\n").map((line, at) => {
    const entry = sourceMap.findEntry(at, line.search(/\S|$/));
    if (!("originalSource" in entry) || entry.generatedLine !== at) return undefined;
    return { source: join(directory, entry.originalSource), line: entry.originalLine + 1 };
  });
}

if (import.meta.main) await bundle(join(import.meta.dirname, "..", ".."));

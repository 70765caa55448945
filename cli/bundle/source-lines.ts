/**
 * Where each line of a bundle came from, as a table that is looked into and never loaded: for line n eight bytes at
 * 8 × (n − 1), the number of the source in `sources.json` and the line in it, both 32 bits with the low byte first. Node's own
 * support of source maps reads all of them at each start, which costs 40 MiB and half of a second.
 */
import { closeSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

export interface SourceLine {
  /** Path below the project. */
  readonly source: string;
  /** From 1. */
  readonly line: number;
}

const bytesALine = 8;
const sourcesFile = "sources.json";

/** Of several files of a bundle: `origins[n]` is what line n + 1 came from. */
export function writeSourceLines(
  bundle: string,
  files: ReadonlyMap<string, readonly (SourceLine | undefined)[]>,
): void {
  const sources = new Map<string, number>();
  for (const [name, origins] of files) {
    const table = Buffer.alloc(origins.length * bytesALine);
    origins.forEach((origin, at) => {
      if (!origin) return;
      const source = sources.get(origin.source) ?? sources.size;
      sources.set(origin.source, source);
      table.writeUInt32LE(source, at * bytesALine);
      table.writeUInt32LE(origin.line, at * bytesALine + 4);
    });
    writeFileSync(tableOf(bundle, name), table);
  }
  writeFileSync(join(bundle, sourcesFile), JSON.stringify([...sources.keys()]));
}

/** Undefined for what the bundler added, and for files that have no table. */
export function sourceLine(bundle: string, name: string, line: number): SourceLine | undefined {
  const row = Buffer.alloc(bytesALine);
  try {
    const table = openSync(tableOf(bundle, name), "r");
    try {
      readSync(table, row, 0, bytesALine, (line - 1) * bytesALine);
    } finally {
      closeSync(table);
    }
    const sources = JSON.parse(readFileSync(join(bundle, sourcesFile), "utf8")) as readonly string[];
    const [source, origin] = [sources[row.readUInt32LE(0)], row.readUInt32LE(4)];
    return source === undefined || origin === 0 ? undefined : { source, line: origin };
  } catch {
    return undefined;
  }
}

function tableOf(bundle: string, name: string): string {
  return join(bundle, `${basename(name)}.lines`);
}

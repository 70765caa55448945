/**
 * Stack traces of a bundled process name the files that people edit. Comes first in every thread of it; costs nothing until
 * somebody reads a stack, and 0.1 ms a frame then.
 */
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { sourceLine } from "./source-lines.ts";

const bundle = import.meta.dirname;
const root = pathToFileURL(join(bundle, "..", "..", "/")).href;

Error.prepareStackTrace = (error, frames) =>
  [Error.prototype.toString.call(error), ...frames.map((frame) => `    at ${inSources(String(frame))}`)].join(
    "\n",
  );

function inSources(frame: string): string {
  return frame.replace(/(file:\/\/[^\s()]+):(\d+):\d+/, (place, file: string, line: string) => {
    const path = fileURLToPath(file);
    const origin = dirname(path) === bundle ? sourceLine(bundle, path, Number(line)) : undefined;
    return origin ? `${root}${origin.source}:${origin.line}` : place;
  });
}

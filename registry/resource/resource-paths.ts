/**
 * What an instance provides, and what is needed, as hierarchical paths: `/cluster/1`, `/slice/42`, `/gem`. An instance
 * says so in its metadata, under `heddle-provides`, separated by spaces, so that any client of Consul can. A need is
 * met by a path that is it or lies below it: who provides `/cluster/1/rack/7` meets the need `/cluster/1`, not `/cluster/10`.
 */
import { FabricError } from "../../errors/index.ts";

export const providesMeta = "heddle-provides";
export const resourcePathsMax = 32;
export const resourceDepthMax = 16;
export const resourcePathBytesMax = 255;

const segment = /^[^/\s]+$/;

export function isResourcePath(path: string): boolean {
  if (!path.startsWith("/") || Buffer.byteLength(path) > resourcePathBytesMax) return false;
  const segments = path.slice(1).split("/");
  return segments.length <= resourceDepthMax && segments.every((each) => segment.test(each));
}

/** Each once. @throws REGISTRY_INVALID */
export function readProvides(text: string): readonly string[] {
  const paths = [...new Set(text.split(/\s+/).filter((path) => path !== ""))];
  const wrong = paths.find((path) => !isResourcePath(path));
  if (wrong === undefined && paths.length <= resourcePathsMax) return paths;
  const why =
    wrong === undefined ? `${paths.length} paths` : `${JSON.stringify(wrong.slice(0, 64))} is no such path`;
  throw new FabricError(
    "REGISTRY_INVALID",
    `read ${providesMeta}: up to ${resourcePathsMax} paths as "/cluster/1 /gem", each of up to ${resourceDepthMax} segments, are expected; ${why}`,
    { details: { resourcePathsMax, resourceDepthMax } },
  );
}

/** The path and all that are above it, but the root. */
export function prefixesOf(path: string): string[] {
  const prefixes: string[] = [];
  for (let end = path.indexOf("/", 1); end > 0; end = path.indexOf("/", end + 1))
    prefixes.push(path.slice(0, end));
  return [...prefixes, path];
}

export function meets(provided: readonly string[], need: string): boolean {
  return provided.some(
    (path) => path.startsWith(need) && (path.length === need.length || path[need.length] === "/"),
  );
}

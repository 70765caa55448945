/**
 * `heddle.spec`: one line that tells engines where the plugin listens, for engines that do not look at the socket
 * in their own directory, or before it is there. Written whole or not at all; a file of that name that says
 * something else than Heddle's line is foreign and stays.
 *
 * Source: https://docs.docker.com/engine/extend/plugin_api/#plugin-discovery
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { FabricError } from "../../../errors/index.ts";
import { makeDirectory, replaceFile } from "../../../files/index.ts";

export interface DockerInstallOptions {
  /** Of engines: /etc/docker/plugins or /usr/lib/docker/plugins. */
  readonly pluginDir: string;
  /** `unix:///run/heddle/docker.sock`. */
  readonly address: string;
  /** Changes nothing and answers what would be done. */
  readonly dryRun?: boolean;
}

export interface DockerInstallAction {
  readonly kind: "write" | "keep" | "remove";
  readonly path: string;
}

/** A line of ours: any path that ends as the agent's socket does. */
const ownLine = /^unix:\/\/\/\S*\/docker\.sock\n?$/;

export function specPath(pluginDir: string): string {
  return join(pluginDir, "heddle.spec");
}

/** Idempotent. @throws DOCKER_FILE_FOREIGN, DOCKER_INSTALL_FAILED, FILES_DIRECTORY_FAILED */
export function installDocker({
  pluginDir,
  address,
  dryRun,
}: DockerInstallOptions): readonly DockerInstallAction[] {
  const path = specPath(pluginDir);
  const wanted = `${address}\n`;
  const current = readOwn(path);
  if (current === wanted) return [{ kind: "keep", path }];
  if (!dryRun) {
    makeDirectory(pluginDir, 0o755);
    attempt("write", path, () => replaceFile(path, wanted, 0o644));
  }
  return [{ kind: "write", path }];
}

/** Idempotent. @throws DOCKER_FILE_FOREIGN, DOCKER_INSTALL_FAILED */
export function uninstallDocker({
  pluginDir,
  dryRun,
}: Pick<DockerInstallOptions, "pluginDir" | "dryRun">): readonly DockerInstallAction[] {
  const path = specPath(pluginDir);
  if (readOwn(path) === undefined) return [];
  if (!dryRun) attempt("remove", path, () => rmSync(path, { force: true }));
  return [{ kind: "remove", path }];
}

/** Undefined when there is none. @throws DOCKER_FILE_FOREIGN */
function readOwn(path: string): string | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw failed("read", path, error);
  }
  if (ownLine.test(text)) return text;
  throw new FabricError(
    "DOCKER_FILE_FOREIGN",
    `install the Docker plugin: ${path} is not Heddle's; move it away, or use another --plugin-dir`,
  );
}

function attempt(action: string, path: string, work: () => void): void {
  try {
    work();
  } catch (cause) {
    throw failed(action, path, cause);
  }
}

function failed(action: string, path: string, cause: unknown): FabricError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new FabricError("DOCKER_INSTALL_FAILED", `${action} ${path}: ${why}; run this as root`, { cause });
}

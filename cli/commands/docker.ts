/** `heddle docker install | uninstall`: the file that tells Docker Engines of this host where the plugin listens. */
import { join, resolve } from "node:path";
import { dockerSocket } from "../../daemon/index.ts";
import { type DockerInstallAction, installDocker, uninstallDocker } from "../../plugins/index.ts";
import { print } from "../print.ts";

interface DockerOptions {
  readonly pluginDir: string;
  readonly runDir: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export async function install(options: DockerOptions): Promise<void> {
  const { pluginDir, runDir, dryRun = false } = options;
  const address = `unix://${join(resolve(runDir), dockerSocket)}`;
  report(options, installDocker({ pluginDir: resolve(pluginDir), address, dryRun }));
}

export async function uninstall(options: DockerOptions): Promise<void> {
  const { pluginDir, dryRun = false } = options;
  report(options, uninstallDocker({ pluginDir: resolve(pluginDir), dryRun }));
}

function report(options: DockerOptions, actions: readonly DockerInstallAction[]): void {
  print(options, actions, () =>
    actions.length === 0
      ? "nothing to do"
      : actions.map(({ kind, path }) => `${kind.padEnd(7)}${path}`).join("\n"),
  );
}

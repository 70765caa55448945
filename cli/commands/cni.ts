/** `heddle cni install | uninstall`: the plugin's files on this host; what was done, file by file. */
import { join, resolve } from "node:path";
import { cniSocket } from "../../daemon/index.ts";
import { type InstallAction, installCni, uninstallCni } from "../../plugins/index.ts";
import { print } from "../print.ts";

interface CniOptions {
  readonly binDir: string;
  readonly confDir: string;
  readonly runDir: string;
  readonly network?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export async function install(options: CniOptions): Promise<void> {
  report(options, installCni(settle(options)));
}

export async function uninstall(options: CniOptions): Promise<void> {
  report(options, uninstallCni(settle(options)));
}

function settle({ binDir, confDir, runDir, network, dryRun = false }: CniOptions) {
  const socketPath = join(resolve(runDir), cniSocket);
  return {
    socketPath,
    binDir: resolve(binDir),
    confDir: resolve(confDir),
    dryRun,
    ...(network !== undefined && { network }),
  };
}

function report(options: CniOptions, actions: readonly InstallAction[]): void {
  print(options, actions, () =>
    actions.length === 0
      ? "nothing to do"
      : actions.map(({ kind, path }) => `${kind.padEnd(7)}${path}`).join("\n"),
  );
}

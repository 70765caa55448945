/** `heddle cni install | uninstall`: the plugin's files on this host; what was done, file by file. */
import { join, resolve } from "node:path";
import { cniSocket } from "../../daemon/index.ts";
import { isFabricError } from "../../errors/index.ts";
import { type InstallAction, installCni, uninstallCni } from "../../plugins/index.ts";
import { connect } from "../connection.ts";
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
  await warnIfUnknown(options);
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

/** The network may be made later, and Heddle started later: neither keeps the plugin from being installed. */
async function warnIfUnknown({ runDir, network }: CniOptions): Promise<void> {
  try {
    const networks = await connect({ runDir }).networks();
    if (networks.some(({ name }) => name === network)) return;
    process.stderr.write(
      `heddle: there is no network ${JSON.stringify(network)} yet; make it with \`heddle network create\`\n`,
    );
  } catch (error) {
    if (!isFabricError(error)) throw error;
    process.stderr.write(`heddle: ${error.message}\n`);
  }
}

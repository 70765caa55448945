/** A whole node for a measurement: `heddle up` as users start it, with the CNI plugin installed for one IPv4 network. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Background, run, waitFor } from "../lab/command.ts";
import { projectRoot } from "../rules/source-files.ts";
import { requireWorld } from "../world.ts";

export interface UpNode {
  readonly pid: number;
  readonly binDir: string;
  stop(): Promise<void>;
}

export async function startUpNode(network: string, pool: string): Promise<UpNode> {
  requireWorld();
  const directory = mkdtempSync(join(tmpdir(), "heddle-bench-up-"));
  const heddle = join(projectRoot, "cli/heddle");
  const runDir = join(directory, "run");
  const [binDir, confDir] = [join(directory, "bin"), join(directory, "net.d")];
  const node = new Background([
    heddle,
    "up",
    "--run-dir",
    runDir,
    "--data-dir",
    join(directory, "data"),
    "--json",
  ]);
  await waitFor(
    "heddle up",
    () => {
      if (!node.running) throw new Error(node.stderr);
      return node.stdout.includes("\n") || undefined;
    },
    20_000,
  );
  run([heddle, "network", "create", network, "--pool", pool, "--run-dir", runDir]);
  run([
    heddle,
    "cni",
    "install",
    "--network",
    network,
    "--run-dir",
    runDir,
    "--bin-dir",
    binDir,
    "--conf-dir",
    confDir,
  ]);
  return {
    pid: node.pid,
    binDir,
    stop: async () => {
      await node.stop();
      rmSync(directory, { recursive: true });
    },
  };
}

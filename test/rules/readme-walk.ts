/**
 * Follows README.md in a world of its own, word for word: starts Heddle, runs what it says to try, ends it. Prints
 * what happened as one JSON object for readme.test.ts. The directories are private by the environment, and
 * so is HOME, where npx keeps its links; the project's own binaries are not in the path, as for a newcomer.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { Background, tryRun, waitFor } from "../lab/command.ts";
import { requireWorld } from "../world.ts";
import { endCommand, startBlock, tryBlock } from "./readme-blocks.ts";

export interface Walk {
  readonly ready: string;
  readonly tried: readonly {
    readonly command: string;
    readonly status: number;
    readonly stdout: string;
    readonly stderr: string;
  }[];
  readonly end: { readonly status: number; readonly stdout: string; readonly stderr: string };
  readonly started: { readonly status: number; readonly stderr: string };
  readonly kernelBefore: string;
  readonly kernelWhile: string;
  readonly kernelAfter: string;
}

const readyMaxMs = 60_000;

function kernelState(): string {
  const views = [
    "ip -br link",
    "ip -br address",
    "ip route show table all",
    "ip -6 route show table all",
    "ip neighbour",
    "ip rule",
    "nft list ruleset",
    "sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding",
  ];
  return views.map((view) => `# ${view}\n${tryRun(view.split(" ")).stdout}`).join("");
}

async function walk(home: string): Promise<Walk> {
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((dir) => !dir.includes("node_modules"));
  const env = {
    PATH: path.join(delimiter),
    HOME: home,
    HEDDLE_RUN_DIR: join(home, "run"),
    HEDDLE_DATA_DIR: join(home, "data"),
    npm_config_update_notifier: "false",
  };
  const shell = (command: string) => tryRun(["sh", "-c", command], { env, timeoutMs: 30_000 });
  const kernelBefore = kernelState();
  // `npm ci` would take the packages away from under whoever runs this.
  const start = (startBlock[0] ?? "").replace("npm ci && ", "exec ");
  const heddle = new Background(["sh", "-c", start], env);
  try {
    await waitFor(
      "`npm start` to be ready",
      () => {
        if (!heddle.running) throw new Error(heddle.stderr);
        return heddle.stdout.includes("is ready") || undefined;
      },
      readyMaxMs,
    );
    const tried = tryBlock.map((command) => ({ command, ...shell(command) }));
    const kernelWhile = kernelState();
    const end = shell(endCommand);
    const status = await heddle.stop();
    const started = { status, stderr: heddle.stderr };
    return {
      ready: heddle.stdout,
      tried,
      end,
      started,
      kernelBefore,
      kernelWhile,
      kernelAfter: kernelState(),
    };
  } finally {
    await heddle.stop();
  }
}

requireWorld();
const home = mkdtempSync(join(tmpdir(), "heddle-readme-"));
try {
  process.stdout.write(JSON.stringify(await walk(home)));
} finally {
  rmSync(home, { recursive: true, force: true });
}

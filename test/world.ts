/**
 * The outer namespace below which everything that sends a packet runs: no uplink, its own mounts and its own
 * process ids. It ends, with every process and namespace in it, as soon as the process that made it ends,
 * also by SIGKILL: `setpriv --pdeathsig` ties unshare to that process, `unshare --kill-child` ties the first
 * process inside to unshare, and the kernel ends all others with the first one.
 *
 *   node test/world.ts COMMAND [ARGUMENT…]      runs a command in a new world and exits with its status
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { constants } from "node:os";

const marker = "HEDDLE_TEST_WORLD";

/** True in a process that runs inside of a world. */
export function insideWorld(): boolean {
  return process.env[marker] === "1";
}

/** For tests that change kernel state: fails with what is missing instead of touching the host. */
export function requireWorld(): void {
  if (!insideWorld()) {
    throw new Error(
      "this test changes kernel state: run it by `npm test`, or by `node test/world.ts npx vitest run PATH`",
    );
  }
}

/** Runs the command in a new world. Answers its exit status, 128 + n when signal n ended it. */
export function runInWorld(command: readonly string[]): number {
  if (process.getuid?.() !== 0) throw new Error("network namespaces need root: run this as root");
  const flags = [
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
    "--propagation",
    "private",
  ];
  return run("setpriv", [
    "--pdeathsig",
    "KILL",
    "unshare",
    ...flags,
    process.execPath,
    import.meta.filename,
    "--inside",
    ...command,
  ]);
}

/** First steps of the first process inside: loopback, a private /run for names of namespaces and sockets, a private /sys. */
function settle(): void {
  mkdirSync("/run/netns", { recursive: true });
  const steps = [
    ["mount", "-t", "tmpfs", "tmpfs", "/run/netns"],
    ["mount", "-t", "sysfs", "sysfs", "/sys"],
    ["ip", "link", "set", "lo", "up"],
  ];
  for (const path of ["/run/heddle", "/run/docker"])
    if (existsSync(path)) steps.push(["mount", "-t", "tmpfs", "tmpfs", path]);
  for (const [program = "", ...rest] of steps) {
    const result = spawnSync(program, rest, { encoding: "utf8" });
    if (result.status !== 0)
      throw new Error(
        `make the test world: ${program} ${rest.join(" ")}: ${result.stderr || result.error?.message}`,
      );
  }
}

function run(program: string, args: readonly string[]): number {
  const result = spawnSync(program, args, { stdio: "inherit", env: { ...process.env, [marker]: "1" } });
  if (result.error) throw result.error;
  if (result.signal) return 128 + constants.signals[result.signal];
  return result.status ?? 1;
}

if (import.meta.main) {
  const [first = "", ...rest] = process.argv.slice(2);
  if (first === "--inside") {
    settle();
    const [program = "sh", ...args] = rest;
    process.exitCode = run(program, args);
  } else {
    process.exitCode = runInWorld([first, ...rest]);
  }
}

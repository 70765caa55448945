/**
 * Work inside of another network namespace, in one synchronous stretch: enter, act, come back. A socket, an
 * open /proc/sys file and a child process keep the namespace they were made in, so nothing has to stay there.
 * Entering and coming back costs about 4 µs (setns(2)); nothing may await or start a thread in between.
 *
 * If the way back fails the process ends at once: every later socket would silently be in a container.
 */
import { closeSync, constants, fstatSync, openSync, writeSync } from "node:fs";
import { FabricError } from "../../errors/index.ts";
import { refusal } from "../refusal.ts";
import { enterNetworkNamespace } from "./libc.ts";

/** An open namespace; it lives as long as the descriptor. */
export interface NetnsHandle {
  readonly fd: number;
  /** `dev:inode` */
  readonly id: string;
}

let home: number | undefined;

/** The namespace this thread started in. */
function homeNamespace(): number {
  home ??= openSync("/proc/thread-self/ns/net", constants.O_RDONLY);
  return home;
}

/** @throws KERNEL_NO_NETNS */
export function openNetns(path = "/proc/thread-self/ns/net"): NetnsHandle {
  const fd = openPath(path);
  try {
    withinNetns(fd, () => undefined);
    const { dev, ino } = fstatSync(fd);
    return { fd, id: `${dev}:${ino}` };
  } catch (cause) {
    closeSync(fd);
    const errno = cause instanceof FabricError ? cause.details["errnoName"] : undefined;
    if (errno !== "EINVAL") throw cause;
    throw noNetns(
      path,
      "it is something else; name a file such as /run/netns/NAME or /proc/PID/ns/net",
      cause,
    );
  }
}

/** Opens the namespace for the time of the action. @throws KERNEL_NO_NETNS */
export function withNetns<T>(path: string, action: (fd: number) => T): T {
  const { fd } = openNetns(path);
  try {
    return action(fd);
  } finally {
    closeSync(fd);
  }
}

function openPath(path: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "";
    throw noNetns(path, `${code}; the container may be gone`, cause);
  }
}

function noNetns(path: string, why: string, cause: unknown): FabricError {
  return new FabricError("KERNEL_NO_NETNS", `open network namespace ${path}: ${why}`, {
    cause,
    details: { netns: path },
  });
}

/** Runs the action in the namespace. The action must be synchronous. @throws KERNEL_REFUSED */
export function withinNetns<T>(fd: number, action: () => T): T {
  const back = homeNamespace();
  const errno = enterNetworkNamespace(fd);
  if (errno !== 0) throw refusal("enter a network namespace", errno);
  try {
    return action();
  } finally {
    const failed = enterNetworkNamespace(back);
    if (failed !== 0) abort(failed);
  }
}

function abort(errno: number): never {
  writeSync(2, `heddle: cannot leave a network namespace (errno ${errno}); ending to harm no container\n`);
  process.abort();
}

/** Opens the door to Linux, once it is certain that the process may go through it (capabilities(7)). */
import { readFileSync } from "node:fs";
import { endianness } from "node:os";
import { FabricError } from "../../errors/index.ts";
import type { Kernel, NetnsPath } from "../kernel.ts";
import { NetlinkKernel, type NetlinkKernelOptions } from "./netlink-kernel.ts";

export interface OpenKernelOptions extends NetlinkKernelOptions {
  /** Default: the namespace of the process. */
  readonly netns?: NetnsPath;
}

const needed = [
  { name: "CAP_NET_ADMIN", bit: 12n },
  { name: "CAP_SYS_ADMIN", bit: 21n },
];

/** @throws KERNEL_PERMISSION, KERNEL_NO_NETNS, KERNEL_REFUSED */
export function openKernel(options: OpenKernelOptions = {}): Kernel {
  checkPlatform();
  checkCapabilities(readFileSync("/proc/thread-self/status", "utf8"));
  const { netns, ...rest } = options;
  return new NetlinkKernel(rest, netns);
}

function checkPlatform(): void {
  if (process.platform === "linux" && endianness() === "LE") return;
  throw new FabricError(
    "KERNEL_PERMISSION",
    `open netlink on ${process.platform} (${process.arch}): only Linux on little-endian machines is supported`,
  );
}

/** @param status the text of /proc/PID/status */
export function checkCapabilities(status: string): void {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const missing = needed.filter(({ bit }) => !((effective >> bit) & 1n)).map(({ name }) => name);
  if (missing.length === 0) return;
  throw new FabricError(
    "KERNEL_PERMISSION",
    `change network state: the process lacks ${missing.join(" and ")}; run it as root`,
    { details: { missing } },
  );
}

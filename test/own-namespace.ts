/**
 * Runs before each test file, which is a process of its own: inside of a world the process moves into a network
 * namespace that no other test file sees, and gets names of namespaces of its own, so that files run side by side
 * and leave nothing to each other. Only the calling thread moves (unshare(2)); what it starts comes after it.
 */
import { spawnSync } from "node:child_process";
import koffi from "koffi";
import { insideWorld } from "./world.ts";

const cloneNewNs = 0x0002_0000;
const cloneNewNet = 0x4000_0000;

if (insideWorld()) {
  const unshare = koffi.load("libc.so.6").func("int unshare(int flags)");
  if (unshare(cloneNewNs | cloneNewNet) !== 0)
    throw new Error("unshare(2) was refused: these tests need root");
  for (const [program = "", ...args] of [
    ["mount", "-t", "tmpfs", "tmpfs", "/run/netns"],
    ["ip", "link", "set", "lo", "up"],
  ]) {
    const { status, stderr } = spawnSync(program, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
  }
}

/**
 * Runs before each test file, which is a process of its own: inside of a world the process moves into a network
 * namespace that no other test file sees, so that files run side by side and leave nothing to each other. Only
 * the calling thread moves (unshare(2)); what it starts from then on comes after it.
 */
import { spawnSync } from "node:child_process";
import koffi from "koffi";
import { insideWorld } from "./world.ts";

const cloneNewNet = 0x4000_0000;

if (insideWorld()) {
  const unshare = koffi.load("libc.so.6").func("int unshare(int flags)");
  if (unshare(cloneNewNet) !== 0) throw new Error("unshare(CLONE_NEWNET) was refused: these tests need root");
  const { status, stderr } = spawnSync("ip", ["link", "set", "lo", "up"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`bring loopback up: ${stderr}`);
}

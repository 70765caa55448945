/** Linux keeps the kernel contract; each test has two namespaces of its own inside of the world. */
import { execFileSync } from "node:child_process";
import { openKernel } from "../../kernel/index.ts";
import { requireWorld } from "../world.ts";
import { kernelContract } from "./kernel.ts";

let made = 0;

kernelContract("netlink", async () => {
  requireWorld();
  const [hostName, guestName] = [`host${++made}`, `guest${made}`];
  const ip = (...args: string[]) => execFileSync("ip", args);
  ip("netns", "add", hostName);
  ip("netns", "add", guestName);
  ip("-n", hostName, "link", "set", "lo", "up");
  const host = openKernel({ netns: `/run/netns/${hostName}` });
  const guestPath = `/run/netns/${guestName}`;
  const guest = openKernel({ netns: guestPath });
  let isGuestThere = true;
  const removeGuest = async () => {
    if (!isGuestThere) return;
    isGuestThere = false;
    guest.close();
    ip("netns", "del", guestName);
  };
  const close = async () => {
    await removeGuest();
    host.close();
    ip("netns", "del", hostName);
  };
  return { host, guest, guestPath, removeGuest, close };
});

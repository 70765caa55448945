/** The in-memory twin keeps the kernel contract. */
import { MemoryKernel } from "../../kernel/index.ts";
import { kernelContract } from "./kernel.ts";

kernelContract("MemoryKernel", async () => {
  const host = new MemoryKernel();
  const guestPath = "/run/netns/guest";
  const guest = host.addNetns(guestPath);
  return {
    host,
    guest,
    guestPath,
    removeGuest: async () => host.removeNetns(guestPath),
    close: async () => {
      guest.close();
      host.close();
    },
  };
});

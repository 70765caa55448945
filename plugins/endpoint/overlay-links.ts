/** `EndpointLinks` over the real kernel: a detached link is out of reach at once and deleted a little later. */
import type { Kernel } from "../../kernel/index.ts";
import { attachEndpoint, checkEndpoint, type LinkReaper, withdrawEndpoint } from "../../overlay/index.ts";
import type { EndpointLinks } from "./ports.ts";

export function overlayLinks(kernel: Kernel, reaper: LinkReaper): EndpointLinks {
  return {
    attach: async (spec) => {
      await reaper.settled(spec.hostIfname);
      return attachEndpoint(kernel, spec);
    },
    detach: async (target) => {
      const index = await withdrawEndpoint(kernel, target);
      if (index !== undefined) await reaper.add(target.hostIfname, index);
    },
    check: (spec) => checkEndpoint(kernel, spec),
  };
}

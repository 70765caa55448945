/** One container interface: attach, detach, check, and its rows. */
export { attachEndpoint } from "./attach.ts";
export { checkEndpoint } from "./check.ts";
export { detachEndpoint, withdrawEndpoint } from "./detach.ts";
export { LinkReaper, type LinkReaperLimits, linkReaperDefaults } from "./link-reaper.ts";
export { hasIpv6, hostRows } from "./rows.ts";
export type { AttachedEndpoint, DetachTarget, EndpointSpec, HandOver } from "./spec.ts";

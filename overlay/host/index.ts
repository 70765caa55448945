/** The host's own settings: what Heddle needs of them, what they were before, how they are given back. */
export { gatewayRow, type HostState, type HostStateJournal, remember } from "./host-state.ts";
export { planPurge } from "./purge.ts";
export { observeSysctls, planSysctls } from "./sysctls.ts";
export { underlayLinks, underlayMtu } from "./underlay.ts";

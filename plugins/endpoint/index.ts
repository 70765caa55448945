/** Container interfaces, whichever plugin asks for them. */
export { withinDeadline } from "./deadline.ts";
export type {
  AttachRequest,
  Endpoint,
  EndpointAddress,
  EndpointForm,
  EndpointOrigin,
  EndpointRef,
  ReadyEndpoint,
} from "./endpoint.ts";
export { showEndpoint } from "./endpoint.ts";
export { type LaneLimits, Lanes } from "./lanes.ts";
export { containerMac } from "./mac.ts";
export type { AddressSource, EndpointLinks, Lease, NetworkDirectory, NetworkView } from "./ports.ts";
export {
  type EndpointChange,
  type EndpointLimits,
  EndpointService,
  type EndpointServiceOptions,
  endpointLimits,
  hasLeases,
} from "./service.ts";

/** The protocol between agents and servers: sessions, views, registrations, block claims, forwarded requests. */

export type {
  ControlClientOptions,
  ControlEvent,
  ControlState,
  JoinedTerm,
  ServerWelcome,
} from "./agent/client-contract.ts";
export { controlBlockSource, relinquishTerm } from "./agent/control-block-source.ts";
export { ControlClient } from "./agent/control-client.ts";
export type { RegistrationSource } from "./agent/registration-sync.ts";
export { type CachedView, storeViewCache, type ViewCache } from "./agent/view-cache.ts";
export type { ViewChange, ViewHandle } from "./agent/view-handle.ts";
export type { AgentIdentity } from "./agent-identity.ts";
export {
  type ByteStream,
  type ForwardedRequest,
  type ForwardedResponse,
  type HttpHandler,
  type HttpHeaderField,
  type HttpStreamHandler,
  partsOf,
  type StreamedRequest,
  type StreamedResponse,
} from "./http-exchange.ts";
export {
  type ControlClientLimits,
  type ControlServerLimits,
  controlClientLimits,
  controlServerLimits,
} from "./limits.ts";
export type { PoolService } from "./server/calls/pool-service.ts";
export {
  ControlServer,
  type ControlServerEvent,
  type ControlServerOptions,
} from "./server/control-server.ts";
export type { ViewFeed, ViewSink, ViewSource } from "./server/views/view-source.ts";
export {
  AgentTrust,
  type AgentTrustEvent,
  AuthorityKeeper,
  believedOf,
  fingerprintOf,
  joinNames,
  namesOfNode,
  namesOfServer,
  ServingCertificateKeeper,
  type ServingCertificateKeeperOptions,
  type ServingNames,
  stepOf,
  type TokenRecord,
  type TokenSpec,
  TrustBook,
  type TrustBrief,
  type TrustLimits,
  tlsListenerLimits,
  trustLimits,
  trustPrefix,
  waitedFor,
} from "./trust/index.ts";
export {
  authoritiesItem,
  type CheckBrief,
  fabricView,
  type KeyViewItem,
  type NodeListItem,
  type NodeViewItem,
  overflowKey,
  type QueryViewItem,
  type ReverseViewItem,
  type ServiceViewItem,
  trustView,
} from "./view-items.ts";

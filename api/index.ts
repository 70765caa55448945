/** One door to the API: Consul-compatible routes and Heddle's own, their listener and a client. */
export { everybody, type RightsSource, type ServerAcl, secretOfRequest } from "./access/access.ts";
export type { AgentBackend, SelfInfo } from "./agent/agent-backend.ts";
export { BodyFields } from "./body/body-fields.ts";
export { readCheck, readService } from "./body/service-body.ts";
export {
  type ApiAddress,
  ApiClient,
  type ApiClientOptions,
  type ClientResponse,
  clientTimeoutMs,
  parseApiAddress,
} from "./client.ts";
export { type ApiOptions, createApi } from "./create-api.ts";
export type {
  AuthorityBackend,
  AuthorityStatus,
  ComponentStatus,
  FabricBackend,
  FabricNode,
  JoinTokenInfo,
  LocalBackend,
  NewJoinToken,
  ProcessStatus,
  RecoveryBackend,
  RecoveryReport,
  TrustBackend,
} from "./fabric-backend.ts";
export { filterCharsMax, filterDepthMax } from "./filter/expression.ts";
export { needsMax } from "./heddle/discover.ts";
export { heartbeatMs, streamsMax } from "./heddle/event-stream.ts";
export type { RightsAnswer } from "./heddle/rights.ts";
export { nodeOf } from "./heddle/shapes.ts";
export { guardHost } from "./host-guard.ts";
export {
  defaultHttpLimits,
  type HttpAddress,
  type HttpLimits,
  HttpServer,
  type HttpServerOptions,
} from "./http/index.ts";
export type { MesosBackend } from "./mesos-backend.ts";
export { clientAddressHeader } from "./near.ts";
export { waitDefaultMs, waitMaxMs } from "./parked-reads.ts";
export {
  type ApiHandler,
  type ApiRequest,
  type ApiResponse,
  type ByteStream,
  isByteStream,
  isStreamed,
} from "./request.ts";
export { txnBytesMax } from "./routes/txn.ts";
export { packSnapshot, snapshotBytesMax, unpackSnapshot } from "./snapshot/archive.ts";
export type { CertificateSource, ServingCertificate } from "./tls/certificate-source.ts";
export type { ClientTls } from "./tls/client-tls.ts";

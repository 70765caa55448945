/** Who may speak for which node: the fabric's authority, join tokens, certificates, and where they are asked for. */
export { AgentTrust, type AgentTrustEvent, type AgentTrustOptions } from "./agent-trust.ts";
export { AuthorityKeeper, type AuthorityKeeperOptions } from "./authority-keeper.ts";
export {
  type AuthorityState,
  believedOf,
  type RotationStep,
  stepOf,
  waitedFor,
} from "./authority-state.ts";
export { channelName } from "./certificate-calls.ts";
export type { IssuedRecord } from "./issued.ts";
export { fingerprintOf, parseToken } from "./join-token.ts";
export type { TokenRecord, TokenSpec } from "./join-tokens.ts";
export { authorityKey, trustPrefix } from "./keys.ts";
export { type TrustLimits, trustLimits } from "./limits.ts";
export { identityOf, type PeerIdentity, parseIdentity, printIdentity } from "./peer-identity.ts";
export { Revocations } from "./revocations.ts";
export { ServingCertificateKeeper, type ServingCertificateKeeperOptions } from "./serving-certificate.ts";
export { joinNames, namesOfNode, namesOfServer, type ServingNames } from "./serving-names.ts";
export {
  type ConnectionGate,
  TlsListener,
  type TlsListenerLimits,
  tlsListenerLimits,
} from "./tls-listener.ts";
export { type IssuedCertificate, TrustBook } from "./trust-book.ts";
export { type TrustBrief, trustBrief } from "./trust-brief.ts";
export { isUnknownAuthority } from "./unknown-authority.ts";

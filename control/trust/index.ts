/** Who may speak for which node: the fabric's authority, join tokens, certificates, and where they are asked for. */
export { AgentTrust, type AgentTrustEvent, type AgentTrustOptions } from "./agent-trust.ts";
export { channelName } from "./certificate-calls.ts";
export { fingerprintOf, parseToken } from "./join-token.ts";
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
export {
  type IssuedCertificate,
  type TokenRecord,
  type TokenSpec,
  TrustBook,
  type TrustLimits,
  trustLimits,
  trustPrefix,
} from "./trust-book.ts";

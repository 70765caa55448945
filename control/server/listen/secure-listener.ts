/**
 * The control service on TLS: the authority from the store, its listener, the service for join tokens behind it, and
 * revocations that end connections at once.
 */

import { create } from "@bufbuild/protobuf";
import type { Ip } from "../../../addr/index.ts";
import type { Clock } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import type { NodeRecord, RegistryReads } from "../../../registry/index.ts";
import type { Store } from "../../../store/index.ts";
import { enrollmentService, renewalService } from "../../control-service.ts";
import {
  AuthoritiesReplySchema,
  CertificateReplySchema,
  type EnrollRequest,
  type RenewRequest,
} from "../../proto/gen/fabric_pb.ts";
import {
  believedOf,
  type ConnectionGate,
  namesOfNode,
  Revocations,
  TlsListener,
  type TrustBook,
  tlsListenerLimits,
} from "../../trust/index.ts";
import { unary } from "../calls/unary.ts";
import type { GrpcServer } from "../grpc/grpc-server.ts";
import { readNodeName } from "../session/read-hello.ts";
import { splitHostPort } from "./listen.ts";

export interface SecureListenerOptions {
  /** The control service. */
  readonly grpc: GrpcServer;
  /** Another, for peers that show no certificate. */
  readonly strangers: GrpcServer;
  /** Name in the server's certificate. */
  readonly name: string;
  readonly trust: TrustBook;
  readonly store: Store;
  readonly gate: ConnectionGate;
  readonly clock: Clock;
  readonly log: (event: TrustEvent) => void;
}

export type TrustEvent =
  | { readonly kind: "peerRefused"; readonly address: string; readonly why: string }
  | { readonly kind: "enrolled" | "cameBack"; readonly node: string }
  | { readonly kind: "certifyFailed"; readonly error: unknown }
  | { readonly kind: "enrollFailed"; readonly error: unknown };

export interface SecureListener {
  /** With the port that was bound. */
  readonly address: string;
  close(): Promise<void>;
}

/** @throws CONTROL_LISTEN_FAILED, STORE_UNAVAILABLE */
export async function listenSecurely(
  address: string,
  options: SecureListenerOptions,
): Promise<SecureListener> {
  const { grpc, strangers, name, trust, store, gate, clock, log } = options;
  const { host, port } = splitHostPort(address);
  const { serverCertificateMs } = tlsListenerLimits;
  serveEnrollment(strangers, trust, log);
  let listener: TlsListener | undefined;
  const revocations = await Revocations.open(store, clock, (node) => listener?.drop(node));
  try {
    listener = await TlsListener.listen({
      host,
      port,
      certify: async (request) => {
        const { chain, authority, state } = await trust.issueServer(name, request, serverCertificateMs);
        return { chain, authority, fabric: state.fabric, resets: state.resets ?? 0 };
      },
      revocations,
      nodes: grpc,
      strangers,
      gate,
      clock,
      onRefused: (peer, why) => log({ kind: "peerRefused", address: peer, why }),
      onUncertified: (error) => log({ kind: "certifyFailed", error }),
    });
  } catch (error) {
    revocations.close();
    throw error;
  }
  const bound = listener;
  const stop = trust.authorities.onChange(() => void bound.renew());
  return {
    address: `${address.slice(0, address.lastIndexOf(":"))}:${bound.port}`,
    close: async () => {
      stop();
      revocations.close();
      await bound.close();
      await strangers.close(0);
    },
  };
}

function serveEnrollment(grpc: GrpcServer, trust: TrustBook, log: (event: TrustEvent) => void): void {
  const failed = (error: unknown) => log({ kind: "enrollFailed", error });
  const authorities = unary(async () => {
    const certificates = [...believedOf(await trust.authorities.state())];
    return create(AuthoritiesReplySchema, { certificates });
  }, failed);
  const enroll = unary(async ({ node, tokenId, secret, request }: EnrollRequest) => {
    const issued = await trust.enroll({ node: readNodeName(node), tokenId, secret, request });
    log({ kind: "enrolled", node });
    return create(CertificateReplySchema, issued);
  }, failed);
  const comeBack = unary(async ({ node, request }: RenewRequest) => {
    const issued = await trust.comeBack(readNodeName(node), request);
    log({ kind: "cameBack", node });
    return create(CertificateReplySchema, issued);
  }, failed);
  grpc
    .serve(enrollmentService.authorities, authorities)
    .serve(enrollmentService.enroll, enroll)
    .serve(enrollmentService.return, comeBack);
}

/** New certificates for nodes that show a good one; part of the control service's own server. */
export function serveRenewal(
  grpc: GrpcServer,
  trust: TrustBook,
  registry: RegistryReads,
  log: (event: TrustEvent) => void,
): void {
  const failed = (error: unknown) => log({ kind: "enrollFailed", error });
  const renew = unary(async ({ node, request }: RenewRequest, { caller: { certified } }) => {
    if (certified?.identity.kind !== "node") throw withoutCertificate(node);
    const { name, generation } = certified.identity;
    const issued = await trust.renew(name, generation, request, certified.fingerprint());
    return create(CertificateReplySchema, issued);
  }, failed);
  const serving = unary(async ({ node, request }: RenewRequest, { caller: { certified } }) => {
    if (certified?.identity.kind !== "node") throw withoutCertificate(node);
    const { name } = certified.identity;
    const names = namesOfNode(name, registry.datacenter, addressesOf(name, registry));
    return create(CertificateReplySchema, await trust.issueServing(names, request));
  }, failed);
  grpc.serve(renewalService.renew, renew).serve(renewalService.serving, serving);
}

/** Of the catalog, where the node said them itself: what another has, too, is not certified. @throws CONTROL_UNAVAILABLE */
function addressesOf(name: string, registry: RegistryReads): readonly Ip[] {
  const node = registry.node(name);
  if (!node) {
    throw new FabricError(
      "CONTROL_UNAVAILABLE",
      `get a certificate for HTTPS on node "${name}": it is not in the catalog yet; it is tried again by itself`,
      { details: { node: name } },
    );
  }
  const all = (record: NodeRecord) => [record.address, ...(record.fabric?.underlay ?? [])];
  const foreign = new Set(registry.nodes().flatMap((other) => (other.name === node.name ? [] : all(other))));
  return [...new Set(all(node))].filter((ip) => !foreign.has(ip));
}

function withoutCertificate(node: string): FabricError {
  return new FabricError(
    "CONTROL_IDENTITY_REFUSED",
    `renew the certificate of node "${node}": the connection shows none; join with a token`,
    { details: { node } },
  );
}

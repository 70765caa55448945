/** A node's questions to a server about certificates: whose authority is this, let me in, renew mine. */
import { connect } from "node:tls";
import { create } from "@bufbuild/protobuf";
import { type ChannelCredentials, Client, type MethodDefinition } from "@grpc/grpc-js";
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { enrollmentService, renewalService } from "../control-service.ts";
import { type CertificateReply, EnrollRequestSchema, RenewRequestSchema } from "../proto/gen/fabric_pb.ts";
import { fromServiceError } from "../wire-error.ts";
import type { JoinToken } from "./join-token.ts";
import type { IssuedCertificate } from "./trust-book.ts";

const callMs = 10_000;

/** For channels to servers: they are known by their identity, and an address must not be sent as a name (RFC 6066 section 3). */
export const channelName = { "grpc.ssl_target_name_override": "server.heddle" } as const;

/**
 * The authority that a server shows, PEM; nothing was verified yet.
 * @throws CONTROL_UNAVAILABLE
 */
export function presentedAuthority(server: string, clock: Clock): Promise<string> {
  const colon = server.lastIndexOf(":");
  const host = server.slice(0, colon).replace(/^\[(.*)\]$/, "$1");
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port: Number(server.slice(colon + 1)),
      ALPNProtocols: ["h2"],
      minVersion: "TLSv1.3",
      rejectUnauthorized: false,
    });
    const failed = (why: string, cause?: unknown) => {
      socket.destroy();
      reject(unreachable(server, why, cause));
    };
    const timer = clock.setTimer(callMs, () => failed("it does not answer"));
    socket.once("error", (cause) => failed(cause.message, cause));
    socket.once("close", () => timer.cancel());
    socket.once("secureConnect", () => {
      const leaf = socket.getPeerX509Certificate();
      const issuer = leaf?.issuerCertificate;
      if (!issuer || !leaf.verify(issuer.publicKey)) {
        failed("it shows no authority; is it a Heddle server?");
        return;
      }
      socket.end();
      resolve(issuer.toString());
    });
  });
}

export function askToEnroll(
  server: string,
  credentials: ChannelCredentials,
  { node, token, request }: { readonly node: string; readonly token: JoinToken; readonly request: string },
): Promise<IssuedCertificate> {
  const message = create(EnrollRequestSchema, { node, tokenId: token.id, secret: token.secret, request });
  return ask(server, credentials, enrollmentService.enroll, message, `let node "${node}" in`);
}

export function askToRenew(
  server: string,
  credentials: ChannelCredentials,
  { node, request }: { readonly node: string; readonly request: string },
): Promise<IssuedCertificate> {
  const message = create(RenewRequestSchema, { node, request });
  return ask(server, credentials, renewalService.renew, message, `renew the certificate of node "${node}"`);
}

export function askForServing(
  server: string,
  credentials: ChannelCredentials,
  { node, request }: { readonly node: string; readonly request: string },
): Promise<IssuedCertificate> {
  const message = create(RenewRequestSchema, { node, request });
  const action = `get a certificate for HTTPS on node "${node}"`;
  return ask(server, credentials, renewalService.serving, message, action);
}

function ask<Request>(
  server: string,
  credentials: ChannelCredentials,
  method: MethodDefinition<Request, CertificateReply | Uint8Array>,
  request: Request,
  action: string,
): Promise<IssuedCertificate> {
  const client = new Client(server, credentials, {
    ...channelName,
    "grpc.use_local_subchannel_pool": 1,
  });
  return new Promise<IssuedCertificate>((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize as (bytes: Buffer) => CertificateReply,
      request,
      { deadline: new Date(Date.now() + callMs) },
      (error, reply) => {
        if (error) reject(fromServiceError(error, action, server));
        else if (reply) resolve({ chain: reply.chain, authority: reply.authority });
      },
    );
  }).finally(() => client.close());
}

function unreachable(server: string, why: string, cause: unknown): FabricError {
  return new FabricError(
    "CONTROL_UNAVAILABLE",
    `join through server ${server}: ${why}; it is tried again by itself`,
    {
      cause,
      details: { server },
    },
  );
}

/** A node's questions to a server about certificates: whose authority is this, let me in, renew mine. */
import { create } from "@bufbuild/protobuf";
import { type ChannelCredentials, Client, credentials, type MethodDefinition } from "@grpc/grpc-js";
import { enrollmentService, renewalService } from "../control-service.ts";
import { AuthoritiesRequestSchema, EnrollRequestSchema, RenewRequestSchema } from "../proto/gen/fabric_pb.ts";
import { fromServiceError } from "../wire-error.ts";
import type { JoinToken } from "./join-token.ts";
import type { IssuedCertificate } from "./trust-book.ts";

const callMs = 10_000;

/** For channels to servers: they are known by their identity, and an address must not be sent as a name (RFC 6066 section 3). */
export const channelName = { "grpc.ssl_target_name_override": "server.heddle" } as const;

/** What a server's certificate may be verified by, PEM; nothing was verified yet, the server neither. @throws CONTROL_UNAVAILABLE */
export async function askForAuthorities(server: string): Promise<readonly string[]> {
  const anybody = credentials.createSsl(null, null, null, { rejectUnauthorized: false });
  const message = create(AuthoritiesRequestSchema, {});
  const method = enrollmentService.authorities;
  const { certificates } = await ask(server, anybody, method, message, `join through server ${server}`);
  return certificates;
}

export function askToReturn(
  server: string,
  channel: ChannelCredentials,
  { node, request }: { readonly node: string; readonly request: string },
): Promise<IssuedCertificate> {
  const message = create(RenewRequestSchema, { node, request });
  return ask(server, channel, enrollmentService.return, message, `let node "${node}" come back`);
}

export function askToEnroll(
  server: string,
  channel: ChannelCredentials,
  { node, token, request }: { readonly node: string; readonly token: JoinToken; readonly request: string },
): Promise<IssuedCertificate> {
  const message = create(EnrollRequestSchema, { node, tokenId: token.id, secret: token.secret, request });
  return ask(server, channel, enrollmentService.enroll, message, `let node "${node}" in`);
}

export function askToRenew(
  server: string,
  channel: ChannelCredentials,
  { node, request }: { readonly node: string; readonly request: string },
): Promise<IssuedCertificate> {
  const message = create(RenewRequestSchema, { node, request });
  return ask(server, channel, renewalService.renew, message, `renew the certificate of node "${node}"`);
}

export function askForServing(
  server: string,
  channel: ChannelCredentials,
  { node, request }: { readonly node: string; readonly request: string },
): Promise<IssuedCertificate> {
  const message = create(RenewRequestSchema, { node, request });
  const action = `get a certificate for HTTPS on node "${node}"`;
  return ask(server, channel, renewalService.serving, message, action);
}

function ask<Request, Reply>(
  server: string,
  channel: ChannelCredentials,
  method: MethodDefinition<Request, Reply | Uint8Array>,
  request: Request,
  action: string,
): Promise<Reply> {
  const client = new Client(server, channel, {
    ...channelName,
    "grpc.use_local_subchannel_pool": 1,
  });
  return new Promise<Reply>((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize as (bytes: Buffer) => Reply,
      request,
      { deadline: new Date(Date.now() + callMs) },
      (error, reply) => {
        if (error) reject(fromServiceError(error, action, server));
        else if (reply) resolve(reply);
      },
    );
  }).finally(() => client.close());
}

/**
 * Holds a node to its certificate: every message that names a node must name the one that sends it. One place, before
 * any handler runs, for calls and streams alike. Peers without certificate come by the local socket, which only
 * its owner may use, or in plain text, which the operator asked for.
 */
import { X509Certificate } from "node:crypto";
import {
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from "@grpc/grpc-js";
import { FabricError } from "../../../errors/index.ts";
import { identityOf, type PeerIdentity } from "../../trust/index.ts";
import { toWireStatus } from "../../wire-error.ts";

type AuthContext = ReturnType<ServerInterceptingCallInterface["getAuthContext"]>;

/** Whose certificate the connection shows; undefined without one, or when it names nobody of a fabric. */
export function peerOf({ sslPeerCertificate: shown }: AuthContext): PeerIdentity | undefined {
  return shown && identityOf(new X509Certificate(shown.raw));
}

export const peerGuard: ServerInterceptor = (_method, call) => {
  const context = call.getAuthContext();
  if (!context.sslPeerCertificate) return new ServerInterceptingCall(call);
  const identity = peerOf(context);
  const peer = identity?.kind === "node" ? identity.name : "";
  return new ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMessage: (message: unknown, pass) => {
          const named = nodeNamed(message);
          if (named === undefined || named === peer) pass(message);
          else call.sendStatus(toWireStatus(notItself(peer, named)));
        },
      }),
  });
};

/** The node that a message says it is from, itself or in its first part. */
function nodeNamed(message: unknown): string | undefined {
  const { node, kind } = message as {
    readonly node?: unknown;
    readonly kind?: { readonly value?: { readonly node?: unknown } };
  };
  const named = node ?? kind?.value?.node;
  return named === undefined ? undefined : String(named);
}

function notItself(peer: string, named: string): FabricError {
  return new FabricError(
    "CONTROL_IDENTITY_REFUSED",
    `serve node "${named}": the certificate is of node "${peer}"; start the agent with the name that it joined by`,
    { details: { node: named, certificate: peer } },
  );
}

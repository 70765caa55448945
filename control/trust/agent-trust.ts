/**
 * A node's own certificate: had by a join token the first time, kept beside the journal, renewed before it ends.
 *
 * Always holds: the private key never leaves the node; a server is believed only if the authority that the token named
 * (later: that let the node in) signed its certificate and calls it a server of the same fabric. Host names and
 * addresses have no part in that, so servers may move.
 */
import { X509Certificate } from "node:crypto";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import type { Clock, Timer } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { KeyPair } from "./authority.ts";
import { askForServing, askToEnroll, askToRenew, presentedAuthority } from "./certificate-calls.ts";
import { type IdentityFiles, loadIdentity, type NodeCertificate, saveIdentity } from "./identity-files.ts";
import { fingerprintOf, parseToken } from "./join-token.ts";
import { identityOf, type PeerIdentity } from "./peer-identity.ts";
import type { IssuedCertificate } from "./trust-book.ts";

export interface AgentTrustOptions {
  readonly node: string;
  /** Where the certificate is kept; made if it is not there. */
  readonly directory: IdentityFiles;
  /** As `heddle token create` printed it; needed once. */
  readonly token?: string;
  /** In order of preference; sockets of this host are left out. */
  readonly servers: readonly string[];
  readonly clock: Clock;
  readonly log?: (event: AgentTrustEvent) => void;
}

export type AgentTrustEvent =
  | { readonly kind: "certified"; readonly how: "enrolled" | "renewed"; readonly untilMs: number }
  | { readonly kind: "renewal failed"; readonly error: unknown };

/** Part of its life after which a certificate is renewed, and the wait after a failure. */
const renewAfter = 2 / 3;
const renewRetryMs = 60_000;

export class AgentTrust {
  readonly #options: AgentTrustOptions;
  #held: NodeCertificate | undefined;
  #enrolling: Promise<NodeCertificate> | undefined;
  #timer: Timer | undefined;

  /** Reads what an earlier run kept. @throws CONTROL_TOKEN_INVALID, CONTROL_IDENTITY_REFUSED */
  static async open(options: AgentTrustOptions): Promise<AgentTrust> {
    if (options.token !== undefined) parseToken(options.token);
    const held = await loadIdentity(options.directory);
    const identity = held && nodeOf(held);
    if (identity && identity.name !== options.node) throw otherName(identity.name, options);
    const trust = new AgentTrust(options, held);
    trust.#arm();
    return trust;
  }

  private constructor(options: AgentTrustOptions, held: NodeCertificate | undefined) {
    this.#options = options;
    this.#held = held;
  }

  /** For a connection to a server, after the node was let in if need be. @throws CONTROL_NO_IDENTITY, why it was refused */
  async credentials(server: string): Promise<ChannelCredentials> {
    const held = this.#isGood() ? this.#held : undefined;
    this.#enrolling ??= held ? undefined : this.#enroll(server).finally(() => (this.#enrolling = undefined));
    const { authority, key, chain } = held ?? (await (this.#enrolling as Promise<NodeCertificate>));
    return serverCredentials(authority, { key, chain });
  }

  /** A certificate for HTTPS on this node, of the first server that answers. @throws CONTROL_NO_IDENTITY, why none did */
  async issueServing(request: string): Promise<IssuedCertificate> {
    const { node, servers } = this.#options;
    const held = this.#isGood() ? this.#held : undefined;
    if (!held) throw noIdentity(node, this.#held !== undefined);
    let failure: unknown;
    for (const server of servers) {
      try {
        return await askForServing(server, serverCredentials(held.authority, held), { node, request });
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  close(): void {
    this.#timer?.cancel();
  }

  #isGood(): boolean {
    return this.#held !== undefined && lifeOf(this.#held).toMs > this.#options.clock.wallMs();
  }

  async #enroll(server: string): Promise<NodeCertificate> {
    const { node, token: text, clock } = this.#options;
    if (text === undefined) throw noIdentity(node, this.#held !== undefined);
    const token = parseToken(text);
    const authority = await presentedAuthority(server, clock);
    if (fingerprintOf(authority) !== token.fingerprint) throw wrongAuthority(server);
    const { key, request } = await newKeyPair();
    const reply = await askToEnroll(server, serverCredentials(authority), { node, token, request });
    return this.#keep({ ...reply, key }, "enrolled");
  }

  async #renew(): Promise<void> {
    const { node, servers, log } = this.#options;
    const held = this.#held;
    if (!held) return;
    const { key, request } = await newKeyPair();
    for (const server of servers) {
      try {
        const asNow = serverCredentials(held.authority, held);
        await this.#keep({ ...(await askToRenew(server, asNow, { node, request })), key }, "renewed");
        return;
      } catch (error) {
        log?.({ kind: "renewal failed", error });
      }
    }
    this.#timer = this.#options.clock.setTimer(renewRetryMs, () => void this.#renew());
  }

  async #keep(certificate: NodeCertificate, how: "enrolled" | "renewed"): Promise<NodeCertificate> {
    await saveIdentity(this.#options.directory, certificate);
    this.#held = certificate;
    this.#arm();
    this.#options.log?.({ kind: "certified", how, untilMs: lifeOf(certificate).toMs });
    return certificate;
  }

  #arm(): void {
    this.#timer?.cancel();
    if (!this.#held) return;
    const { fromMs, toMs } = lifeOf(this.#held);
    const dueMs = fromMs + (toMs - fromMs) * renewAfter;
    const delayMs = Math.max(0, dueMs - this.#options.clock.wallMs());
    this.#timer = this.#options.clock.setTimer(delayMs, () => void this.#renew());
  }
}

async function newKeyPair(): Promise<KeyPair> {
  const { createKeyPair } = await import("./authority.ts");
  return createKeyPair();
}

function serverCredentials(
  authority: string,
  own?: Pick<NodeCertificate, "key" | "chain">,
): ChannelCredentials {
  const [key, chain] = own ? [Buffer.from(own.key), Buffer.from(own.chain)] : [null, null];
  return credentials.createSsl(Buffer.from(authority), key, chain, {
    checkServerIdentity: (server, peer) =>
      identityOf(new X509Certificate(peer.raw))?.kind === "server" ? undefined : notAServer(server),
  });
}

function nodeOf({ chain }: NodeCertificate): PeerIdentity | undefined {
  return identityOf(new X509Certificate(chain));
}

function lifeOf({ chain }: NodeCertificate): { readonly fromMs: number; readonly toMs: number } {
  const { validFrom, validTo } = new X509Certificate(chain);
  return { fromMs: Date.parse(validFrom), toMs: Date.parse(validTo) };
}

function noIdentity(node: string, isOver: boolean): FabricError {
  const why = isOver ? "its certificate has ended" : "it has no certificate yet";
  return new FabricError(
    "CONTROL_NO_IDENTITY",
    `join node "${node}": ${why}; make a token on a server with \`heddle token create\` and give it by --join-token`,
    { details: { node } },
  );
}

function otherName(certificate: string, { node, directory }: AgentTrustOptions): FabricError {
  return new FabricError(
    "CONTROL_IDENTITY_REFUSED",
    `start node "${node}": the certificate in ${directory} is of node "${certificate}"; start it by that name, or remove the directory and join with a new token`,
    { details: { node, certificate } },
  );
}

function wrongAuthority(server: string): FabricError {
  return new FabricError(
    "CONTROL_IDENTITY_REFUSED",
    `join through server ${server}: its authority is not the one that the join token names; somebody may be in between, or the token is of another fabric`,
    { details: { server } },
  );
}

function notAServer(server: string): FabricError {
  return new FabricError(
    "CONTROL_IDENTITY_REFUSED",
    `connect to ${server}: its certificate is not of a server of this fabric; check the address`,
    { details: { server } },
  );
}

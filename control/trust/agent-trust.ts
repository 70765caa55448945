/**
 * A node's own certificate: had by a join token the first time, kept beside the journal, renewed before it ends; if it has
 * ended while no server could be reached, another is had by the key of it.
 *
 * Always holds: the private key never leaves the node; a server is believed only if the authority that the token named
 * (later: that let the node in) signed its certificate and calls it a server of the same fabric. Host names and
 * addresses have no part in that, so servers may move.
 */
import { X509Certificate } from "node:crypto";
import { type ChannelCredentials, credentials } from "@grpc/grpc-js";
import type { Clock, Timer } from "../../clock/index.ts";
import { FabricError, isFabricError } from "../../errors/index.ts";
import { createKeyPair, createRequest, type KeyPair } from "./authority.ts";
import {
  askForAuthorities,
  askForServing,
  askToEnroll,
  askToRenew,
  askToReturn,
} from "./certificate-calls.ts";
import { type IdentityFiles, loadIdentity, type NodeCertificate, saveIdentity } from "./identity-files.ts";
import { fingerprintOf, parseToken } from "./join-token.ts";
import { identityOf, type PeerIdentity } from "./peer-identity.ts";
import type { IssuedCertificate } from "./trust-book.ts";
import type { TrustBrief } from "./trust-brief.ts";

export interface AgentTrustOptions {
  readonly node: string;
  /** Where the certificate is kept; made if it is not there. */
  readonly directory: IdentityFiles;
  /** As `heddle token create` printed it; needed once. */
  readonly token?: string;
  /** In order of preference; sockets of this host are left out. */
  readonly servers: readonly string[];
  readonly clock: Clock;
  /** Uniform in [0, 1): spreads renewals. */
  readonly random?: () => number;
  readonly log?: (event: AgentTrustEvent) => void;
}

type Certified = "enrolled" | "renewed" | "returned";

export type AgentTrustEvent =
  | { readonly kind: "certified"; readonly how: Certified; readonly untilMs: number }
  | { readonly kind: "renewal failed" | "token refused"; readonly error: unknown };

/** Part of its life after which a certificate is renewed, and the wait after a failure. */
const renewAfter = 2 / 3;
const renewRetryMs = 60_000;
/** Within it all nodes renew when the authority changes, so that servers need not sign for all at once. */
const renewSpreadMs = 10_000;

export class AgentTrust {
  readonly #options: AgentTrustOptions;
  #held: NodeCertificate | undefined;
  #obtaining: Promise<NodeCertificate> | undefined;
  #tokenRefused = false;
  #closed = false;
  readonly #listeners = new Set<() => void>();
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
    const held = this.#isGood() && !this.#hasNewToken() ? this.#held : undefined;
    this.#obtaining ??= held ? undefined : this.#obtain(server).finally(() => (this.#obtaining = undefined));
    const { authority, key, chain } = held ?? (await (this.#obtaining as Promise<NodeCertificate>));
    return serverCredentials(authority, { key, chain });
  }

  /** What servers say of the authorities now: the node renews, in a while, if its certificate is not of that. */
  heed({ signs, believed }: TrustBrief): void {
    const held = this.#held;
    if (!held) return;
    const known = authoritiesOf(held).map(fingerprintOf);
    const isSame = known.length === believed.length && believed.every((one) => known.includes(one));
    if (isSame && signerOf(held) === signs) return;
    if (this.#closed) return;
    const { clock, random = Math.random } = this.#options;
    this.#timer?.cancel();
    this.#timer = clock.setTimer(random() * renewSpreadMs, () => void this.#renew());
  }

  /** Told when the node's certificate is of another authority than before. */
  onAuthority(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A certificate for HTTPS on this node, of the first server that answers. @throws CONTROL_NO_IDENTITY, why none did */
  async issueServing(request: string): Promise<IssuedCertificate> {
    const { node, servers } = this.#options;
    const held = this.#isGood() ? this.#held : undefined;
    if (!held) throw noIdentity(node);
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
    this.#closed = true;
    this.#timer?.cancel();
    this.#listeners.clear();
  }

  #hasNewToken(): boolean {
    const { token } = this.#options;
    if (token === undefined) return false;
    return !this.#held || (!this.#tokenRefused && parseToken(token).id !== this.#held.tokenId);
  }

  #isGood(): boolean {
    return this.#held !== undefined && lifeOf(this.#held).toMs > this.#options.clock.wallMs();
  }

  /** A token that was not used yet goes first: it is an operator's word to join anew. Then what the node has. */
  async #obtain(server: string): Promise<NodeCertificate> {
    const { node, log } = this.#options;
    const held = this.#held;
    let refusal: unknown;
    if (this.#hasNewToken()) {
      try {
        return await this.#enroll(server, held);
      } catch (error) {
        if (!held) throw error;
        refusal = error;
        this.#tokenRefused = !isFabricError(error, "CONTROL_UNAVAILABLE");
        log?.({ kind: "token refused", error });
      }
    }
    if (!held) throw noIdentity(node);
    if (this.#isGood()) return held;
    return this.#comeBack(server, held).catch((error: unknown) => {
      throw refusal ?? error;
    });
  }

  /** With the key that the node had, where a token alone does not let its name in. */
  async #enroll(server: string, held: NodeCertificate | undefined): Promise<NodeCertificate> {
    const { node, token: text = "" } = this.#options;
    const token = parseToken(text);
    const authorities = await askForAuthorities(server);
    const authority = authorities.find((each) => fingerprintOf(each) === token.fingerprint);
    if (authority === undefined) throw wrongAuthority(server);
    const believing = serverCredentials(authority);
    const join = async ({ key, request }: KeyPair) => {
      const reply = await askToEnroll(server, believing, { node, token, request });
      return this.#keep({ ...reply, key, tokenId: token.id }, "enrolled");
    };
    try {
      return await join(await createKeyPair());
    } catch (error) {
      if (!held || !isFabricError(error, "CONTROL_TOKEN_REFUSED")) throw error;
      return join(heldKeyPair(held));
    }
  }

  async #comeBack(server: string, held: NodeCertificate): Promise<NodeCertificate> {
    const { key, request } = heldKeyPair(held);
    const { node } = this.#options;
    const reply = await askToReturn(server, serverCredentials(held.authority), { node, request });
    return this.#keep({ ...held, ...reply, key }, "returned");
  }

  async #renew(): Promise<void> {
    const { node, servers, log } = this.#options;
    const held = this.#held;
    if (!held || !this.#isGood()) return;
    const { key, request } = await createKeyPair();
    for (const server of servers) {
      try {
        const asNow = serverCredentials(held.authority, held);
        const reply = await askToRenew(server, asNow, { node, request });
        await this.#keep({ ...held, ...reply, key }, "renewed");
        return;
      } catch (error) {
        log?.({ kind: "renewal failed", error });
      }
    }
    if (!this.#closed) this.#timer = this.#options.clock.setTimer(renewRetryMs, () => void this.#renew());
  }

  async #keep(certificate: NodeCertificate, how: Certified): Promise<NodeCertificate> {
    await saveIdentity(this.#options.directory, certificate);
    const before = this.#held;
    this.#held = certificate;
    this.#arm();
    if (before && signerOf(before) !== signerOf(certificate))
      for (const listener of this.#listeners) listener();
    this.#options.log?.({ kind: "certified", how, untilMs: lifeOf(certificate).toMs });
    return certificate;
  }

  #arm(): void {
    this.#timer?.cancel();
    // One that has ended is replaced where a connection is to be made.
    if (!this.#held || !this.#isGood() || this.#closed) return;
    const { fromMs, toMs } = lifeOf(this.#held);
    const dueMs = fromMs + (toMs - fromMs) * renewAfter;
    const delayMs = Math.max(0, dueMs - this.#options.clock.wallMs());
    this.#timer = this.#options.clock.setTimer(delayMs, () => void this.#renew());
  }
}

/** A request that is signed with the key that the node has. */
function heldKeyPair({ key }: NodeCertificate): KeyPair {
  return { key, request: createRequest(key) };
}

/** PEM, each. */
function authoritiesOf({ authority }: NodeCertificate): readonly string[] {
  return authority.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
}

/** Fingerprint of the authority that signed it, if that is still believed. */
function signerOf(held: NodeCertificate): string | undefined {
  const certificate = new X509Certificate(held.chain);
  const signer = authoritiesOf(held).find((each) => certificate.verify(new X509Certificate(each).publicKey));
  return signer === undefined ? undefined : fingerprintOf(signer);
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

function noIdentity(node: string): FabricError {
  return new FabricError(
    "CONTROL_NO_IDENTITY",
    `join node "${node}": it has no certificate yet; make a token on a server with \`heddle token create\` and give it by --join-token`,
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

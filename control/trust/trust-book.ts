/**
 * What servers share of trust, in the store: the authority, join tokens, and the generation of each node.
 *
 * Always holds: a use of a token is taken in one transaction, so that two nodes cannot take the last one; a node's
 * certificate carries the generation that was read before it was signed, and revoking makes the next one, so that
 * no certificate issued before a revocation is good after it. No clock has a say in that.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { nodeKey } from "../../registry/index.ts";
import type { Compare, Operation, Store } from "../../store/index.ts";
import type { Authority, AuthorityRecord } from "./authority.ts";
import { createToken, fingerprintOf, hashSecret, isSecret, printToken } from "./join-token.ts";
import type { ServingNames } from "./serving-names.ts";

export interface TokenRecord {
  readonly id: string;
  /** SHA-256 of the secret, base64url. */
  readonly hash: string;
  /** The only node that it lets in; a name that is in the catalog already needs one. */
  readonly node?: string;
  readonly usesLeft: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export interface TokenSpec {
  readonly node?: string;
  /** Default 1. */
  readonly uses?: number;
  /** Default 1 h. */
  readonly ttlMs?: number;
}

export interface IssuedCertificate {
  /** PEM: the certificate, the authority's behind it. */
  readonly chain: string;
  /** PEM. */
  readonly authority: string;
}

export interface TrustLimits {
  readonly tokensMax: number;
  readonly tokenUsesMax: number;
  readonly tokenTtlMaxMs: number;
  readonly nodeCertificateMs: number;
  /** Of a certificate for HTTPS: long enough for a node that reaches no server for a while. */
  readonly servingCertificateMs: number;
}

export const trustLimits: TrustLimits = {
  tokensMax: 1000,
  tokenUsesMax: 10_000,
  tokenTtlMaxMs: 30 * 24 * 3600_000,
  nodeCertificateMs: 24 * 3600_000,
  servingCertificateMs: 3 * 24 * 3600_000,
};

export const trustPrefix = "trust/";
export const generationsPrefix = "trust/nodes/";
const authorityKey = "trust/authority";
const tokensPrefix = "trust/tokens/";
const [usesDefault, ttlDefaultMs] = [1, 3600_000];
const triesMax = 16;

export interface TrustBookOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly limits?: Partial<TrustLimits>;
}

export class TrustBook {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #limits: TrustLimits;
  #authority: Promise<Authority> | undefined;

  constructor({ store, clock, limits }: TrustBookOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = { ...trustLimits, ...limits };
  }

  /** The fabric's; made by the first that asks. @throws STORE_UNAVAILABLE */
  authority(): Promise<Authority> {
    this.#authority ??= this.#openAuthority().catch((error: unknown) => {
      this.#authority = undefined;
      throw error;
    });
    return this.#authority;
  }

  /** What must be trusted to trust the fabric, PEM. @throws STORE_UNAVAILABLE */
  async authorities(): Promise<{
    readonly fabric: string;
    readonly authorities: readonly { readonly certificate: string; readonly signs: boolean }[];
  }> {
    const { fabric, certificate } = await this.authority();
    return { fabric, authorities: [{ certificate, signs: true }] };
  }

  /** The text is shown once and kept nowhere. @throws CONTROL_TOKEN_INVALID, CONTROL_LIMIT */
  async createToken(spec: TokenSpec): Promise<{ readonly text: string; readonly record: TokenRecord }> {
    const { node, uses = usesDefault, ttlMs = ttlDefaultMs } = spec;
    const { tokensMax, tokenUsesMax, tokenTtlMaxMs } = this.#limits;
    if (!isWhole(uses, tokenUsesMax)) throw invalidSpec(`uses must be 1 to ${tokenUsesMax}`);
    if (!isWhole(ttlMs, tokenTtlMaxMs)) throw invalidSpec(`its life must be 1 to ${tokenTtlMaxMs} ms`);
    await this.#dropExpired();
    if ((await this.tokens()).length >= tokensMax) {
      throw new FabricError(
        "CONTROL_LIMIT",
        `create join token: there are ${tokensMax} already; remove some with \`heddle token rm\``,
        { details: { limit: "tokensMax", max: tokensMax } },
      );
    }
    const token = createToken(fingerprintOf((await this.authority()).certificate));
    const createdAtMs = this.#clock.wallMs();
    const record: TokenRecord = {
      id: token.id,
      hash: hashSecret(token.secret),
      ...(node !== undefined && { node }),
      usesLeft: uses,
      createdAtMs,
      expiresAtMs: createdAtMs + ttlMs,
    };
    await this.#store.txn({ success: [put(tokensPrefix + token.id, record)] });
    return { text: printToken(token), record };
  }

  /** Those that are still good. */
  async tokens(): Promise<readonly TokenRecord[]> {
    const { items } = await this.#store.range(tokensPrefix);
    return items.map(({ value }) => decode<TokenRecord>(value)).filter((record) => !this.#isOver(record));
  }

  /** True if there was one. */
  async removeToken(id: string): Promise<boolean> {
    const key = tokensPrefix + id;
    const { succeeded } = await this.#store.txn({
      compare: [{ key, exists: true }],
      success: [{ op: "delete", key }],
    });
    return succeeded;
  }

  /** Lets a node in. @throws CONTROL_TOKEN_REFUSED, CONTROL_REQUEST_INVALID */
  async enroll(join: {
    readonly tokenId: string;
    readonly secret: string;
    readonly node: string;
    readonly request: string;
  }): Promise<IssuedCertificate> {
    const { tokenId, secret, node, request } = join;
    const key = tokensPrefix + tokenId;
    for (let tries = 0; tries < triesMax; tries++) {
      const { results } = await this.#store.txn({
        success: [get(key), get(nodeKey(node)), get(generationsPrefix + node)],
      });
      const [token, known, generation] = results.map((result) =>
        result.op === "get" ? result.item : undefined,
      );
      const record = token && decode<TokenRecord>(token.value);
      if (!token || !record || !isSecret(secret, record.hash) || this.#isOver(record))
        throw refused(node, "there is no such token, or it was used up, or its time is over");
      if (record.node !== undefined && record.node !== node)
        throw refused(node, `the token is for node "${record.node}"`);
      if (known && record.node === undefined)
        throw refused(node, "a node of this name is in the catalog; create the token with `--node`");
      const left = { ...record, usesLeft: record.usesLeft - 1 };
      const { succeeded } = await this.#store.txn({
        compare: [
          { key, modRevision: token.modRevision },
          { key: generationsPrefix + node, modRevision: generation?.modRevision ?? 0 },
        ],
        success: [left.usesLeft > 0 ? put(key, left) : { op: "delete", key }],
      });
      if (succeeded) return this.#issue(node, generation ? decode<number>(generation.value) : 0, request);
    }
    throw contended(`let node "${node}" in`);
  }

  /** A new certificate for a node that shows a good one. @throws CONTROL_IDENTITY_REFUSED, CONTROL_REQUEST_INVALID */
  async renew(node: string, generation: number, request: string): Promise<IssuedCertificate> {
    const current = await this.generation(node);
    if (generation !== current) throw revoked(node);
    return this.#issue(node, current, request);
  }

  /** For an HTTPS listener. @throws CONTROL_REQUEST_INVALID */
  async issueServing(names: ServingNames, request: string): Promise<IssuedCertificate> {
    const authority = await this.authority();
    const { servingCertificateMs } = this.#limits;
    const chain = await authority.issueServing(request, names, servingCertificateMs, this.#clock.wallMs());
    return { chain, authority: authority.certificate };
  }

  /** Every certificate that the node has is refused from now on. Answers its new generation. */
  async revoke(node: string): Promise<number> {
    const key = generationsPrefix + node;
    for (let tries = 0; tries < triesMax; tries++) {
      const item = await this.#read(key);
      const next = (item ? decode<number>(item.value) : 0) + 1;
      const compare: Compare[] = [{ key, modRevision: item?.modRevision ?? 0 }];
      const { succeeded } = await this.#store.txn({ compare, success: [put(key, next)] });
      if (succeeded) return next;
    }
    throw contended(`revoke node "${node}"`);
  }

  async generation(node: string): Promise<number> {
    const item = await this.#read(generationsPrefix + node);
    return item ? decode<number>(item.value) : 0;
  }

  async #issue(node: string, generation: number, request: string): Promise<IssuedCertificate> {
    const authority = await this.authority();
    const identity = { kind: "node", fabric: authority.fabric, name: node, generation } as const;
    const { nodeCertificateMs } = this.#limits;
    const chain = await authority.issue(request, identity, nodeCertificateMs, this.#clock.wallMs());
    return { chain, authority: authority.certificate };
  }

  async #openAuthority(): Promise<Authority> {
    const { Authority, createAuthority } = await import("./authority.ts");
    const found = await this.#read(authorityKey);
    if (found) return Authority.open(decode<AuthorityRecord>(found.value));
    const made = await createAuthority(randomUUID(), this.#clock.wallMs());
    const { succeeded } = await this.#store.txn({
      compare: [{ key: authorityKey, exists: false }],
      success: [put(authorityKey, made)],
    });
    return succeeded ? Authority.open(made) : this.#openAuthority();
  }

  async #dropExpired(): Promise<void> {
    const { items } = await this.#store.range(tokensPrefix);
    for (const { key, value, modRevision } of items) {
      if (!this.#isOver(decode<TokenRecord>(value))) continue;
      await this.#store.txn({ compare: [{ key, modRevision }], success: [{ op: "delete", key }] });
    }
  }

  #isOver({ usesLeft, expiresAtMs }: TokenRecord): boolean {
    return usesLeft < 1 || this.#clock.wallMs() >= expiresAtMs;
  }

  async #read(key: string) {
    const { results } = await this.#store.txn({ success: [get(key)] });
    const [found] = results;
    return found?.op === "get" ? found.item : undefined;
  }
}

export function revoked(node: string): FabricError {
  return new FabricError(
    "CONTROL_IDENTITY_REFUSED",
    `talk to node "${node}": its certificate was revoked; let it in again with a token of \`heddle token create --node ${node}\``,
    { details: { node } },
  );
}

/** One text for every secret reason: a guesser learns nothing. */
function refused(node: string, why: string): FabricError {
  return new FabricError(
    "CONTROL_TOKEN_REFUSED",
    `let node "${node}" in: ${why}; create another with \`heddle token create\``,
    { details: { node } },
  );
}

function invalidSpec(why: string): FabricError {
  return new FabricError("CONTROL_TOKEN_INVALID", `create join token: ${why}; ask for another`);
}

function contended(action: string): FabricError {
  return new FabricError("CONTROL_UNAVAILABLE", `${action}: others changed the same at each try; try again`);
}

function isWhole(value: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= max;
}

function get(key: string): Operation {
  return { op: "get", key };
}

function put(key: string, value: unknown): Operation {
  return { op: "put", key, value: Buffer.from(JSON.stringify(value)) };
}

function decode<T>(value: Uint8Array): T {
  return JSON.parse(Buffer.from(value).toString()) as T;
}

/** Join tokens in the store. The text of one is shown once and kept nowhere: the store has a hash of its secret. */
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { Store } from "../../store/index.ts";
import { createToken, hashSecret, printToken } from "./join-token.ts";
import { decode, put, tokensPrefix } from "./keys.ts";
import type { TrustLimits } from "./limits.ts";

export interface TokenRecord {
  readonly id: string;
  /** SHA-256 of the secret, base64url. */
  readonly hash: string;
  /** The only node that it lets in. */
  readonly node?: string;
  /** Nodes of the catalog come in by it without the key of their last certificate, unless they were revoked. */
  readonly readmits?: boolean;
  readonly usesLeft: number;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export interface TokenSpec {
  readonly node?: string;
  /** For a store that was put back to an older copy: what it remembers of nodes' keys is of that time. */
  readonly readmits?: boolean;
  /** Default 1. */
  readonly uses?: number;
  /** Default 1 h. */
  readonly ttlMs?: number;
}

const [usesDefault, ttlDefaultMs] = [1, 3600_000];

export class JoinTokens {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #limits: TrustLimits;

  constructor(store: Store, clock: Clock, limits: TrustLimits) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = limits;
  }

  /** `fingerprint` is of the authority that the node is to believe. @throws CONTROL_TOKEN_INVALID, CONTROL_LIMIT */
  async create(
    spec: TokenSpec,
    fingerprint: string,
  ): Promise<{ readonly text: string; readonly record: TokenRecord }> {
    const { node, readmits = false, uses = usesDefault, ttlMs = ttlDefaultMs } = spec;
    const { tokensMax, tokenUsesMax, tokenTtlMaxMs } = this.#limits;
    if (!isWhole(uses, tokenUsesMax)) throw invalidSpec(`uses must be 1 to ${tokenUsesMax}`);
    if (!isWhole(ttlMs, tokenTtlMaxMs)) throw invalidSpec(`its life must be 1 to ${tokenTtlMaxMs} ms`);
    await this.#dropExpired();
    if ((await this.list()).length >= tokensMax) {
      throw new FabricError(
        "CONTROL_LIMIT",
        `create join token: there are ${tokensMax} already; remove some with \`heddle token rm\``,
        { details: { limit: "tokensMax", max: tokensMax } },
      );
    }
    const token = createToken(fingerprint);
    const createdAtMs = this.#clock.wallMs();
    const record: TokenRecord = {
      id: token.id,
      hash: hashSecret(token.secret),
      ...(node !== undefined && { node }),
      ...(readmits && { readmits }),
      usesLeft: uses,
      createdAtMs,
      expiresAtMs: createdAtMs + ttlMs,
    };
    await this.#store.txn({ success: [put(tokensPrefix + token.id, record)] });
    return { text: printToken(token), record };
  }

  /** Those that are still good. */
  async list(): Promise<readonly TokenRecord[]> {
    const { items } = await this.#store.range(tokensPrefix);
    return items.map((item) => decode<TokenRecord>(item)).filter((record) => !this.isOver(record));
  }

  /** True if there was one. */
  async remove(id: string): Promise<boolean> {
    const key = tokensPrefix + id;
    const { succeeded } = await this.#store.txn({
      compare: [{ key, exists: true }],
      success: [{ op: "delete", key }],
    });
    return succeeded;
  }

  isOver({ usesLeft, expiresAtMs }: TokenRecord): boolean {
    return usesLeft < 1 || this.#clock.wallMs() >= expiresAtMs;
  }

  async #dropExpired(): Promise<void> {
    const { items } = await this.#store.range(tokensPrefix);
    for (const item of items) {
      const { key, modRevision } = item;
      if (!this.isOver(decode<TokenRecord>(item))) continue;
      await this.#store.txn({ compare: [{ key, modRevision }], success: [{ op: "delete", key }] });
    }
  }
}

function invalidSpec(why: string): FabricError {
  return new FabricError("CONTROL_TOKEN_INVALID", `create join token: ${why}; ask for another`);
}

function isWhole(value: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= max;
}

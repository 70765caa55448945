/**
 * What servers share of trust, in the store: the authority, join tokens, and of each node its generation and what it was
 * issued last.
 *
 * Always holds: a certificate is recorded in one transaction with what it rests on (the use of a token, the node's
 * generation, the authority that signs), so that two nodes cannot take the last use, no certificate from before a
 * revocation is good after it, and a rotation knows of every one. No clock has a say in the first two.
 */
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { nodeKey } from "../../registry/index.ts";
import type { Compare, Operation, Store, StoreItem } from "../../store/index.ts";
import { requestedKey } from "./authority.ts";
import { AuthorityBook, type AuthorityNow } from "./authority-book.ts";
import { type AuthorityState, believedOf, bridgesOf } from "./authority-state.ts";
import { type IssuedRecord, judgeReturn } from "./issued.ts";
import { fingerprintOf, isSecret } from "./join-token.ts";
import { JoinTokens, type TokenRecord, type TokenSpec } from "./join-tokens.ts";
import { authorityKey, decode, generationsPrefix, get, issuedPrefix, put, tokensPrefix } from "./keys.ts";
import { type TrustLimits, trustLimits } from "./limits.ts";
import { refused, returnRefused, revoked } from "./refusals.ts";
import type { ServingNames } from "./serving-names.ts";

export interface IssuedCertificate {
  /** PEM: the certificate, what leads from its authority to an earlier one behind it. */
  readonly chain: string;
  /** PEM, all that are to be believed. */
  readonly authority: string;
}

const triesMax = 16;

export interface TrustBookOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly limits?: Partial<TrustLimits>;
}

export class TrustBook {
  readonly authorities: AuthorityBook;
  readonly tokens: JoinTokens;
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #limits: TrustLimits;

  constructor({ store, clock, limits }: TrustBookOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#limits = { ...trustLimits, ...limits };
    this.authorities = new AuthorityBook(store, clock, this.#limits);
    this.tokens = new JoinTokens(store, clock, this.#limits);
  }

  /** The text is shown once and kept nowhere. @throws CONTROL_TOKEN_INVALID, CONTROL_LIMIT, CONTROL_AUTHORITY_LOST */
  async createToken(spec: TokenSpec): Promise<{ readonly text: string; readonly record: TokenRecord }> {
    const state = await this.authorities.state();
    return this.tokens.create(spec, fingerprintOf(state.certificate));
  }

  /** Lets a node in. @throws CONTROL_TOKEN_REFUSED, CONTROL_REQUEST_INVALID */
  async enroll(join: {
    readonly tokenId: string;
    readonly secret: string;
    readonly node: string;
    readonly request: string;
  }): Promise<IssuedCertificate> {
    const { tokenId, secret, node, request } = join;
    const shown = requestedKey(request);
    const key = tokensPrefix + tokenId;
    return this.#issue(node, request, `let node "${node}" in`, async () => {
      const { results } = await this.#store.txn({
        success: [get(key), get(nodeKey(node)), get(generationsPrefix + node), get(issuedPrefix + node)],
      });
      const [token, known, generationItem, last] = itemsOf(results);
      const record = token && decode<TokenRecord>(token);
      if (!token || !record || !isSecret(secret, record.hash) || this.tokens.isOver(record))
        throw refused(node, "there is no such token, or it was used up, or its time is over");
      if (record.node !== undefined && record.node !== node)
        throw refused(node, `the token is for node "${record.node}"`);
      const generation = generationItem ? decode<number>(generationItem) : 0;
      // Who has the key of the node's last certificate is the node, and the token says that it may come in.
      const before = last && decode<IssuedRecord>(last);
      const isItself = before?.generation === generation && before.keys.includes(shown);
      // A number that was raised since its last certificate is a revocation.
      const isReadmitted = record.readmits === true && generation === (before?.generation ?? 0);
      if (known && record.node === undefined && !isItself && !isReadmitted)
        throw refused(node, "a node of this name is in the catalog; create the token with `--node`");
      const left = { ...record, usesLeft: record.usesLeft - 1 };
      return {
        generation,
        keys: [shown],
        compare: [
          { key, modRevision: token.modRevision },
          { key: generationsPrefix + node, modRevision: generationItem?.modRevision ?? 0 },
        ],
        writes: [left.usesLeft > 0 ? put(key, left) : { op: "delete", key }],
      };
    });
  }

  /** A new certificate for a node that shows a good one, of the key `by`. @throws CONTROL_IDENTITY_REFUSED, CONTROL_REQUEST_INVALID */
  async renew(node: string, generation: number, request: string, by: string): Promise<IssuedCertificate> {
    const shown = requestedKey(request);
    const key = generationsPrefix + node;
    return this.#issue(node, request, `renew the certificate of node "${node}"`, async () => {
      const item = await this.#read(key);
      if (generation !== (item ? decode<number>(item) : 0)) throw revoked(node);
      const compare = [{ key, modRevision: item?.modRevision ?? 0 }];
      return { generation, keys: [...new Set([shown, by])], compare, writes: [] };
    });
  }

  /** A certificate for a node whose last one has ended, for the key of that. @throws CONTROL_IDENTITY_REFUSED, CONTROL_REQUEST_INVALID */
  async comeBack(node: string, request: string): Promise<IssuedCertificate> {
    const shown = requestedKey(request);
    const key = generationsPrefix + node;
    return this.#issue(node, request, `let node "${node}" come back`, async () => {
      const { results } = await this.#store.txn({ success: [get(key), get(issuedPrefix + node)] });
      const [item, last] = itemsOf(results);
      const generation = item ? decode<number>(item) : 0;
      const record = last && decode<IssuedRecord>(last);
      const within = { nowMs: this.#clock.wallMs(), withinMs: this.#limits.returnWithinMs };
      const refusal = judgeReturn(record, generation, shown, within);
      if (refusal) throw returnRefused(node, refusal, this.#limits.returnWithinMs);
      const compare = [
        { key, modRevision: item?.modRevision ?? 0 },
        { key: issuedPrefix + node, modRevision: last?.modRevision ?? 0 },
      ];
      return { generation, keys: record?.keys ?? [shown], compare, writes: [] };
    });
  }

  /** For an HTTPS listener. @throws CONTROL_REQUEST_INVALID, CONTROL_AUTHORITY_LOST */
  async issueServing(names: ServingNames, request: string): Promise<IssuedCertificate> {
    const { authority, state } = await this.authorities.now();
    const nowMs = this.#clock.wallMs();
    const leaf = authority.issueServing(request, names, this.#limits.servingCertificateMs, nowMs);
    return withTrust(leaf, state, nowMs);
  }

  /** For a server of the fabric. @throws CONTROL_AUTHORITY_LOST */
  async issueServer(
    name: string,
    request: string,
    lifeMs: number,
  ): Promise<IssuedCertificate & { readonly state: AuthorityState }> {
    const { authority, state } = await this.authorities.now();
    const nowMs = this.#clock.wallMs();
    const identity = { kind: "server", fabric: state.fabric, name } as const;
    return { ...withTrust(authority.issue(request, identity, lifeMs, nowMs), state, nowMs), state };
  }

  /** Every certificate that the node has is refused from now on. Answers its new generation. */
  async revoke(node: string): Promise<number> {
    const key = generationsPrefix + node;
    for (let tries = 0; tries < triesMax; tries++) {
      const item = await this.#read(key);
      const next = (item ? decode<number>(item) : 0) + 1;
      const compare: Compare[] = [{ key, modRevision: item?.modRevision ?? 0 }];
      const { succeeded } = await this.#store.txn({ compare, success: [put(key, next)] });
      if (succeeded) return next;
    }
    throw contended(`revoke node "${node}"`);
  }

  /** The node may not come back by its key alone. */
  async forget(node: string): Promise<void> {
    await this.#store.txn({ success: [{ op: "delete", key: issuedPrefix + node }] });
  }

  /** Drops what is remembered of nodes that may not come back any more. */
  async dropEnded(): Promise<void> {
    const nowMs = this.#clock.wallMs();
    const { items } = await this.#store.range(issuedPrefix);
    for (const item of items) {
      const { key, modRevision } = item;
      if (decode<IssuedRecord>(item).untilMs + this.#limits.returnWithinMs > nowMs) continue;
      await this.#store.txn({ compare: [{ key, modRevision }], success: [{ op: "delete", key }] });
    }
  }

  async #issue(
    node: string,
    request: string,
    action: string,
    decide: () => Promise<Grounds>,
  ): Promise<IssuedCertificate> {
    for (let tries = 0; tries < triesMax; tries++) {
      const now = await this.authorities.now();
      const { generation, keys, compare, writes } = await decide();
      const nowMs = this.#clock.wallMs();
      const { nodeCertificateMs } = this.#limits;
      const record: IssuedRecord = {
        generation,
        keys,
        untilMs: nowMs + nodeCertificateMs,
        by: fingerprintOf(now.state.certificate),
        believes: believedOf(now.state).map(fingerprintOf),
      };
      const { succeeded } = await this.#store.txn({
        compare: [...compare, { key: authorityKey, modRevision: now.modRevision }],
        success: [...writes, put(issuedPrefix + node, record)],
      });
      if (succeeded) return this.#sign(now, node, generation, request, nowMs);
    }
    throw contended(action);
  }

  #sign(
    { authority, state }: AuthorityNow,
    name: string,
    generation: number,
    request: string,
    nowMs: number,
  ): IssuedCertificate {
    const identity = { kind: "node", fabric: state.fabric, name, generation } as const;
    const leaf = authority.issue(request, identity, this.#limits.nodeCertificateMs, nowMs);
    return withTrust(leaf, state, nowMs);
  }

  async #read(key: string): Promise<StoreItem | undefined> {
    const { results } = await this.#store.txn({ success: [get(key)] });
    return itemsOf(results)[0];
  }
}

/** What a certificate rests on: it is issued if all of it still holds. */
interface Grounds {
  readonly generation: number;
  readonly keys: readonly string[];
  readonly compare: readonly Compare[];
  readonly writes: readonly Operation[];
}

function withTrust(leaf: string, state: AuthorityState, nowMs: number): IssuedCertificate {
  return {
    chain: [leaf, ...bridgesOf(state, nowMs)].join("\n"),
    authority: believedOf(state).join("\n"),
  };
}

function itemsOf(results: Awaited<ReturnType<Store["txn"]>>["results"]): readonly (StoreItem | undefined)[] {
  return results.map((result) => (result.op === "get" ? result.item : undefined));
}

function contended(action: string): FabricError {
  return new FabricError("CONTROL_UNAVAILABLE", `${action}: others changed the same at each try; try again`);
}

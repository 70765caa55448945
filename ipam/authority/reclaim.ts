/**
 * Takes back what ended terms hold.
 *
 * Safe because: a term ends by one transaction that deletes its key, after which no claim of its epoch
 * succeeds; and a claim is deleted only if no term of its (node, epoch) stands. Claims are read before
 * terms: a claim was made under a standing term, so a term missing later has ended. The first claims go
 * with the term's own transaction, the rest by `sweepOrphans`, as stores bound a transaction (Consul: 64).
 *
 * Time: this process's monotonic clock, from when it first saw the term's last renewal. A server that
 * restarts waits anew; nobody is reclaimed early because a wall clock jumped.
 */

import type { Clock } from "../../clock/index.ts";
import type { Store, Txn } from "../../store/index.ts";
import {
  type BlockClaim,
  ipamKeys,
  type NodeTerm,
  readStored,
  type StaticClaim,
  type Stored,
  transaction,
} from "../plan/index.ts";
import { releaseStatic } from "./static-claims.ts";

/** Claims deleted in one transaction: each takes a comparison and a delete. */
const claimsPerTxnMax = 24;

export interface ReclaimedTerm {
  readonly node: string;
  readonly epoch: number;
  readonly blocks: readonly BlockClaim[];
}

export class TermWatch {
  readonly #clock: Clock;
  readonly #seen = new Map<string, { renewal: number; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Of the stored terms, those whose time is over. Forgets terms that are gone. */
  expired(terms: readonly NodeTerm[]): readonly NodeTerm[] {
    const nowMs = this.#clock.monotonicMs();
    const keys = new Set<string>();
    const expired = terms.filter((term) => {
      const key = termKey(term);
      keys.add(key);
      const seen = this.#seen.get(key);
      if (seen?.renewal === term.renewal) return nowMs - seen.atMs >= term.reclaimAfterMs;
      this.#seen.set(key, { renewal: term.renewal, atMs: nowMs });
      return false;
    });
    for (const key of this.#seen.keys()) if (!keys.has(key)) this.#seen.delete(key);
    return expired;
  }
}

export function termKey(term: Pick<NodeTerm, "node" | "epoch">): string {
  return `${term.epoch} ${term.node}`;
}

export async function readTerms(store: Store): Promise<readonly Stored<NodeTerm>[]> {
  return [
    ...(await readStored<NodeTerm>(store, ipamKeys.nodes)),
    ...(await readStored<NodeTerm>(store, ipamKeys.retired)),
  ];
}

/** Ends the term and frees its first blocks, all in one transaction. Undefined if the term changed meanwhile. */
export async function endTerm(
  store: Store,
  term: Stored<NodeTerm>,
): Promise<readonly BlockClaim[] | undefined> {
  const blocks = (await readStored<BlockClaim>(store, ipamKeys.blocks))
    .filter(({ record }) => termKey(record) === termKey(term.record))
    .slice(0, claimsPerTxnMax);
  const { succeeded } = await store.txn(deletion([term, ...blocks]));
  return succeeded ? blocks.map(({ record }) => record) : undefined;
}

/** Frees every claim whose term has ended. Returns the blocks. */
export async function sweepOrphans(store: Store): Promise<readonly BlockClaim[]> {
  const blocks = await readStored<BlockClaim>(store, ipamKeys.blocks);
  const statics = await readStored<StaticClaim>(store, ipamKeys.statics);
  const standing = new Set((await readTerms(store)).map(({ record }) => termKey(record)));
  const orphans = blocks.filter(({ record }) => !standing.has(termKey(record)));
  for (let i = 0; i < orphans.length; i += claimsPerTxnMax) {
    await store.txn(deletion(orphans.slice(i, i + claimsPerTxnMax)));
  }
  for (const { record } of statics) if (!standing.has(termKey(record))) await releaseStatic(store, record);
  return orphans.map(({ record }) => record);
}

function deletion(stored: readonly Stored<unknown>[]): Txn {
  return transaction(
    stored.map(({ item }) => ({ key: item.key, modRevision: item.modRevision })),
    stored.map(({ item }) => ({ op: "delete", key: item.key })),
  );
}

/**
 * Terms that hold nothing. A join that fails after it has written the term (the store went away, the welcome got lost)
 * leaves one that no agent ever learned of, and the next attempt leaves another: they must not shut a node out that lost
 * nothing. Such a term protects no address, so it need not wait for its time.
 *
 * Safe because terms are read before claims: a retired term has ended, no claim of its epoch succeeds any more, and
 * what holds nothing then never will. While a plan is gathered nothing of this is known, so the mark of that is compared.
 */
import type { Compare, Store } from "../../store/index.ts";
import {
  type BlockClaim,
  ipamKeys,
  type NodeTerm,
  readStored,
  type StaticClaim,
  transaction,
} from "../plan/index.ts";

/** Ended in one transaction: each takes a comparison and a delete. */
const termsPerTxnMax = 24;

/**
 * Ends those of the node's retired terms that hold nothing, as long as `gathered` holds. Reads all claims, so it is for
 * when it matters. False if there are none.
 */
export async function endEmptyTerms(store: Store, node: string, gathered: Compare): Promise<boolean> {
  const terms = await readStored<NodeTerm>(store, ipamKeys.retiredOf(node));
  const claims = [
    ...(await readStored<BlockClaim>(store, ipamKeys.blocks)),
    ...(await readStored<StaticClaim>(store, ipamKeys.statics)),
  ];
  const holding = new Set(claims.flatMap(({ record }) => (record.node === node ? [record.epoch] : [])));
  const empty = terms.filter(({ record }) => !holding.has(record.epoch)).slice(0, termsPerTxnMax);
  if (empty.length === 0) return false;
  await store.txn(
    transaction(
      [gathered, ...empty.map(({ item }) => ({ key: item.key, modRevision: item.modRevision }))],
      empty.map(({ item }) => ({ op: "delete", key: item.key })),
    ),
  );
  return true;
}

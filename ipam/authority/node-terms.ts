/**
 * Terms of nodes: joining, renewing, forgetting.
 *
 * A term is one key. While it stands, its node may claim; every claim compares it. To end a term is to
 * delete its key or to move it among the retired, and no claim of that epoch succeeds from then on. What it
 * claimed before stays claimed until it is reclaimed (see reclaim.ts).
 *
 * Epochs need no counter and no tombstone: a new one is the revision of the store that the joining node's
 * record was read at, plus one. Whatever this node joined with before was written at or before that
 * revision, so it was less. A record that is there is exceeded as well, and what nodes stated to a new store (recovery/).
 */
import { FabricError } from "../../errors/index.ts";
import type { Store } from "../../store/index.ts";
import {
  decide,
  decodeRecord,
  encodeRecord,
  ipamKeys,
  type NodeTerm,
  readTogether,
  transaction,
} from "../plan/index.ts";
import { offsetOf } from "../recovery/index.ts";
import { endEmptyTerms } from "./empty-terms.ts";

/** Terms of one node that hold addresses and wait to be reclaimed: a node that forgets its journal at each start is refused at last. */
export const retiredTermsMax = 16;

/** What a node's journal knows of its term. */
export interface HeldEpoch {
  readonly epoch: number;
  /** The store that it joined; absent: this one. */
  readonly storeId?: string;
}

/**
 * Starts a term, or goes on with it if the node still knows its epoch (`held`, from its journal); either
 * way a renewal. A term that the node does not know any more is retired: its addresses may still be in use
 * there, so they wait for reclaimAfter like those of a lost node. @throws IPAM_LIMIT, IPAM_CONTENDED
 */
export async function joinNode(
  store: Store,
  node: string,
  held: HeldEpoch | undefined,
  reclaimAfterMs: number,
): Promise<NodeTerm> {
  const key = ipamKeys.node(node);
  const action = `join node "${node}"`;
  // Epochs of two stores compare only for a term that a recovery brought from one to the other.
  const isOurs = held !== undefined && (held.storeId === undefined || held.storeId === store.id);
  return decide(store, action, async () => {
    const snapshot = await readTogether(store, [key, ipamKeys.recovery]);
    const offset = offsetOf(snapshot, action);
    const current = snapshot.get<NodeTerm>(key);
    const retired = await retiredTerms(store, node);
    const isOfIt = isOurs || (held !== undefined && current?.madeIn === held.storeId);
    const goesOn = current !== undefined && isOfIt && current.epoch === held.epoch;
    const heldEpoch = isOfIt ? held.epoch : 0;
    if (current && !goesOn && retired.length >= retiredTermsMax) {
      if (await endEmptyTerms(store, node, snapshot.unchanged(ipamKeys.recovery))) return { kind: "again" };
      throw new FabricError(
        "IPAM_LIMIT",
        `join node "${node}": ${retired.length} earlier terms of it wait to be reclaimed; keep the agent's data directory, or run \`heddle node forget --force ${node}\` if no container of them runs`,
        { details: { limit: "retiredTermsMax", value: retiredTermsMax, node } },
      );
    }
    const lastEpoch = Math.max(current?.epoch ?? 0, heldEpoch, ...retired.map((term) => term.epoch));
    const term: NodeTerm = goesOn
      ? renewed(current, reclaimAfterMs)
      : { node, epoch: Math.max(snapshot.revision + offset, lastEpoch) + 1, renewal: 1, reclaimAfterMs };
    return {
      kind: "write",
      txn: transaction(
        [snapshot.unchanged(key), snapshot.unchanged(ipamKeys.recovery)],
        [{ op: "put", key, value: encodeRecord(term) }, ...(current && !goesOn ? [retire(current)] : [])],
      ),
      answer: () => term,
    };
  });
}

/** @throws IPAM_STALE_EPOCH when that term has ended: give everything up, then join again */
export async function renewNode(
  store: Store,
  node: string,
  epoch: number,
  reclaimAfterMs: number,
): Promise<NodeTerm> {
  const key = ipamKeys.node(node);
  return decide(store, `renew node "${node}"`, async () => {
    const snapshot = await readTogether(store, [key, ipamKeys.recovery]);
    offsetOf(snapshot, `renew node "${node}"`);
    const current = checkTerm(snapshot.get<NodeTerm>(key), node, epoch);
    const term = renewed(current, reclaimAfterMs);
    return {
      kind: "write",
      txn: transaction(
        [snapshot.unchanged(key), snapshot.unchanged(ipamKeys.recovery)],
        [{ op: "put", key, value: encodeRecord(term) }],
      ),
      answer: () => term,
    };
  });
}

/** Refuses all further renewals, so that the node's time runs out from its last one. @throws IPAM_NODE_NOT_FOUND */
export async function retireNode(store: Store, node: string): Promise<void> {
  const key = ipamKeys.node(node);
  await decide(store, `forget node "${node}"`, async () => {
    const snapshot = await readTogether(store, [key]);
    const current = snapshot.get<NodeTerm>(key);
    if (!current && (await retiredTerms(store, node)).length === 0) throw nodeNotFound(node);
    if (!current) return { kind: "answer", answer: undefined };
    return {
      kind: "write",
      txn: transaction([snapshot.unchanged(key)], [{ op: "delete", key }, retire(current)]),
      answer: () => undefined,
    };
  });
}

/**
 * As retireNode, for a node whose blocks are to be freed at once: in the transaction that ends its term the key at `liveKey`
 * is not there. A node that comes back writes that key first and looks at its term then, so one of the two sees the
 * other. Of a node that is alive only earlier terms may go: false. @throws IPAM_NODE_ALIVE, IPAM_NODE_NOT_FOUND
 */
export async function retireDeadNode(store: Store, node: string, liveKey: string): Promise<boolean> {
  const key = ipamKeys.node(node);
  return decide(store, `forget node "${node}"`, async () => {
    const snapshot = await readTogether(store, [key, liveKey]);
    const current = snapshot.get<NodeTerm>(key);
    const hasEarlier = (await retiredTerms(store, node)).length > 0;
    if (!current && !hasEarlier) throw nodeNotFound(node);
    if (snapshot.has(liveKey)) {
      if (!hasEarlier) throw nodeAlive(node);
      return { kind: "answer", answer: false };
    }
    return {
      kind: "write",
      txn: transaction(
        [snapshot.unchanged(key), snapshot.unchanged(liveKey)],
        current ? [{ op: "delete", key }, retire(current)] : [],
      ),
      answer: () => true,
    };
  });
}

/** @throws IPAM_STALE_EPOCH when no such term stands */
export async function confirmTerm(store: Store, node: string, epoch: number): Promise<void> {
  const key = ipamKeys.node(node);
  checkTerm((await readTogether(store, [key])).get<NodeTerm>(key), node, epoch);
}

/** The stored term, if it is the one of `epoch`. @throws IPAM_STALE_EPOCH */
export function checkTerm(term: NodeTerm | undefined, node: string, epoch: number): NodeTerm {
  if (term?.epoch === epoch) return term;
  throw new FabricError(
    "IPAM_STALE_EPOCH",
    `act for node "${node}" in epoch ${epoch}: that term has ended${term ? `, the node is in epoch ${term.epoch}` : ""}; give up its addresses and join again`,
    { details: { node, epoch, ...(term ? { currentEpoch: term.epoch } : {}) } },
  );
}

export async function retiredTerms(store: Store, node: string): Promise<readonly NodeTerm[]> {
  const { items } = await store.range(ipamKeys.retiredOf(node), { limit: retiredTermsMax + 1 });
  return items.map((item) => decodeRecord<NodeTerm>(item));
}

export function nodeNotFound(node: string): FabricError {
  return new FabricError(
    "IPAM_NODE_NOT_FOUND",
    `forget node "${node}": the address plan knows no node of that name; see \`heddle ipam show\``,
    { details: { node } },
  );
}

function nodeAlive(node: string): FabricError {
  return new FabricError(
    "IPAM_NODE_ALIVE",
    `forget node "${node}" by force: it is alive, and its containers use what would be freed; stop it with \`heddle down\` there or shut it out with \`heddle node revoke ${node}\`, and try again when \`heddle node ls\` says that it is not alive`,
    { details: { node } },
  );
}

/**
 * What was promised once in a term is never cut: if the answer with a shorter promise got lost, the node
 * would go on by the longer one. A shorter reclaimAfter therefore applies from a node's next term on.
 */
function renewed(term: NodeTerm, reclaimAfterMs: number): NodeTerm {
  return {
    ...term,
    renewal: term.renewal + 1,
    reclaimAfterMs: Math.max(term.reclaimAfterMs, reclaimAfterMs),
  };
}

function retire(term: NodeTerm) {
  return {
    op: "put",
    key: ipamKeys.retiredTerm(term.node, term.epoch),
    value: encodeRecord(term),
  } as const;
}

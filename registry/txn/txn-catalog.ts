/**
 * The node, service and check verbs of a transaction. What belongs to a node goes with it, what belongs to a
 * service goes with that. Nodes of the fabric are written by their agents only.
 */
import { decodeCheck, decodeNode, decodeService, encodeCheck, encodeNode, encodeService } from "../codec.ts";
import {
  checkKey,
  liveKey,
  nodeChecksPrefix,
  nodeCoordinatesPrefix,
  nodeKey,
  nodeServicesPrefix,
  serviceKey,
} from "../keys.ts";
import { type Indexes, livenessCheckId } from "../model.ts";
import type { RegistryReads } from "../reads.ts";
import type { TxnDraft } from "./txn-draft.ts";
import type { Step } from "./txn-kv.ts";
import type { CheckOperation, NodeOperation, ServiceOperation, TxnOutcome } from "./txn-model.ts";

export function stepNode(registry: RegistryReads, draft: TxnDraft, operation: NodeOperation): Step {
  const { record, verb } = operation;
  const known = registry.node(record.name);
  const key = nodeKey(known?.name ?? record.name);
  const held = draft.see(key, known);
  if (held?.fabric && verb !== "get")
    return { refused: `node ${JSON.stringify(record.name)} is of the fabric: only its agent changes it` };
  return step(operation, held, `node ${JSON.stringify(record.name)}`, {
    put: () => putChanged(draft, key, held, { ...record, name: held?.name ?? record.name }, encodeNode),
    delete: () => {
      draft.deletePrefix(nodeChecksPrefix(held?.name ?? record.name));
      draft.deletePrefix(nodeServicesPrefix(held?.name ?? record.name));
      draft.deletePrefix(nodeCoordinatesPrefix(held?.name ?? record.name));
      draft.delete(liveKey(held?.name ?? record.name));
      draft.delete(key);
    },
    read: () => {
      const item = draft.get(key);
      return (results) => {
        const found = item(results);
        const node = found && decodeNode(found.value);
        return node ? [{ kind: "node", entry: { ...node, ...indexesOf(found) } }] : [];
      };
    },
  });
}

export function stepService(registry: RegistryReads, draft: TxnDraft, operation: ServiceOperation): Step {
  const { record } = operation;
  const node = seeNode(registry, draft, record.node);
  const name = node ?? record.node;
  const key = serviceKey(name, record.id);
  const held = draft.see(key, registry.serviceOfNode(name, record.id));
  if (node === undefined && (operation.verb === "set" || operation.verb === "cas"))
    return { refused: "Missing node registration" };
  return step(
    operation,
    held,
    `service ${JSON.stringify(record.id)} on node ${JSON.stringify(record.node)}`,
    {
      put: () => putChanged(draft, key, held, { ...record, node: name }, encodeService),
      delete: () => {
        for (const check of registry.checksOfNode(name))
          if (check.serviceId === record.id) draft.delete(checkKey(name, check.id));
        draft.delete(key);
      },
      read: () => {
        const item = draft.get(key);
        return (results) => {
          const found = item(results);
          const service = found && decodeService(found.value);
          return service ? [{ kind: "service", entry: { ...service, ...indexesOf(found) } }] : [];
        };
      },
    },
  );
}

export function stepCheck(registry: RegistryReads, draft: TxnDraft, operation: CheckOperation): Step {
  const { record, verb } = operation;
  const node = seeNode(registry, draft, record.node);
  const name = node ?? record.node;
  const key = checkKey(name, record.id);
  const isMade = registry.node(name)?.fabric !== undefined && record.id === livenessCheckId;
  const held = draft.see(key, isMade ? undefined : registry.checkOfNode(name, record.id));
  const writes = verb === "set" || verb === "cas";
  if (writes && isMade)
    return { refused: `check "${livenessCheckId}" of a node of the fabric follows its agent` };
  if (writes && node === undefined) return { refused: "Missing node registration" };
  const service = registry.serviceOfNode(name, record.serviceId);
  const known = record.serviceId === "" ? undefined : draft.see(serviceKey(name, record.serviceId), service);
  if (writes && record.serviceId !== "" && !known) return { refused: "Missing service registration" };
  const written = {
    ...record,
    node: name,
    ...(known && { serviceName: known.name, serviceTags: known.tags }),
  };
  return step(operation, held, `check ${JSON.stringify(record.id)} on node ${JSON.stringify(record.node)}`, {
    put: () => putChanged(draft, key, held, written, encodeCheck),
    delete: () => draft.delete(key),
    read: () => {
      const item = draft.get(key);
      return (results) => {
        const found = item(results);
        const check = found && decodeCheck(found.value);
        return check ? [{ kind: "check", entry: { ...check, ...indexesOf(found) } }] : [];
      };
    },
  });
}

/** The node's name as it is written in the catalog, at this point of the transaction. */
function seeNode(registry: RegistryReads, draft: TxnDraft, name: string): string | undefined {
  const known = registry.node(name);
  const seen = draft.see(nodeKey(known?.name ?? name), known);
  return seen && (known?.name ?? name);
}

/** What would change nothing is left alone, and keeps its ModifyIndex. */
function putChanged<T extends object>(
  draft: TxnDraft,
  key: string,
  held: (T & Indexes) | undefined,
  record: T,
  encode: (record: T) => Uint8Array,
): void {
  const bytes = encode(record);
  if (held === undefined || Buffer.compare(encode(held), bytes) !== 0) draft.put(key, bytes, record);
}

interface Actions {
  put(): void;
  delete(): void;
  read(): (results: Parameters<Exclude<Step, { refused: string }>>[0]) => readonly TxnOutcome[];
}

function step(
  { verb, index }: Pick<NodeOperation, "verb" | "index">,
  held: Indexes | undefined,
  what: string,
  actions: Actions,
): Step {
  switch (verb) {
    case "get":
      return held ? actions.read() : { refused: `${what} doesn't exist` };
    case "cas":
      if (index !== (held?.modifyIndex ?? 0)) return { refused: `failed to set ${what}, index is stale` };
      actions.put();
      return actions.read();
    case "set":
      actions.put();
      return actions.read();
    case "delete-cas":
      if (held && index !== held.modifyIndex) return { refused: `failed to delete ${what}, index is stale` };
      if (held) actions.delete();
      return () => [];
    case "delete":
      actions.delete();
      return () => [];
    default:
      return verb satisfies never;
  }
}

function indexesOf(item: { readonly createRevision: number; readonly modRevision: number }): Indexes {
  return { createIndex: item.createRevision, modifyIndex: item.modRevision };
}

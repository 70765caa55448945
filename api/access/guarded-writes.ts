/**
 * The writes of the registry that routes make, each after the token of the request was found to allow it. What a thing
 * belongs to is looked up in the whole registry: it is refused for what it is, seen or not.
 */

import { FabricError, isFabricError } from "../../errors/index.ts";
import type {
  RegistryReads,
  RegistryWrites,
  Rights,
  ServiceRecord,
  TxnOperation,
} from "../../registry/index.ts";
import { isNamed } from "./guarded-reads.ts";

export type ApiWrites = Pick<
  RegistryWrites,
  | "kvPut"
  | "kvDelete"
  | "kvDeleteTree"
  | "putHistoryRule"
  | "deleteHistoryRule"
  | "txn"
  | "createSession"
  | "renewSession"
  | "endSession"
  | "createQuery"
  | "updateQuery"
  | "deleteQuery"
  | "putCoordinate"
  | "fireEvent"
  | "removeNode"
  | "restoreSnapshot"
>;

type Query = Parameters<RegistryWrites["createQuery"]>[0];

/** Everything here @throws REGISTRY_PERMISSION_DENIED */
export function guardedWrites(writer: RegistryWrites, registry: RegistryReads, rights: Rights): ApiWrites {
  const assertSession = (id: string) => {
    const held = registry.session(id);
    if (held) rights.assert("session", held.node, "write");
  };
  const assertKeysUnder = (prefix: string) => {
    if (!rights.allowsWritingUnder(prefix)) throw rights.denied("key", prefix, "write");
  };
  const assertQuery = (query: Pick<Query, "name" | "template"> | undefined) => {
    if (query && isNamed(query)) rights.assert("query", query.name, "write");
  };
  return {
    async kvPut(key, value, options) {
      rights.assert("key", key, "write");
      return writer.kvPut(key, value, options);
    },
    async kvDelete(key, options) {
      rights.assert("key", key, "write");
      return writer.kvDelete(key, options);
    },
    async kvDeleteTree(prefix) {
      assertKeysUnder(prefix);
      return writer.kvDeleteTree(prefix);
    },
    async putHistoryRule(rule) {
      assertKeysUnder(rule.prefix);
      return writer.putHistoryRule(rule);
    },
    async deleteHistoryRule(prefix) {
      assertKeysUnder(prefix);
      return writer.deleteHistoryRule(prefix);
    },
    async txn(operations) {
      operations.forEach((operation, at) => {
        try {
          assertOperation(operation, operations, registry, rights);
        } catch (error) {
          if (!isFabricError(error, "REGISTRY_PERMISSION_DENIED")) throw error;
          throw new FabricError(error.code, error.message, { details: { ...error.details, at } });
        }
      });
      return writer.txn(operations);
    },
    async createSession(spec) {
      rights.assert("session", spec.node, "write");
      return writer.createSession(spec);
    },
    async renewSession(id) {
      assertSession(id);
      return writer.renewSession(id);
    },
    async endSession(id) {
      assertSession(id);
      return writer.endSession(id);
    },
    async createQuery(query) {
      assertQuery(query);
      return writer.createQuery(query);
    },
    async updateQuery(id, query) {
      assertQuery(registry.query(id));
      assertQuery(query);
      return writer.updateQuery(id, query);
    },
    async deleteQuery(id) {
      assertQuery(registry.query(id));
      return writer.deleteQuery(id);
    },
    async putCoordinate(coordinate) {
      rights.assert("node", coordinate.node, "write");
      return writer.putCoordinate(coordinate);
    },
    async fireEvent(event) {
      rights.assert("event", event.name, "write");
      return writer.fireEvent(event);
    },
    async removeNode(node) {
      rights.assert("operator", "", "write");
      return writer.removeNode(node);
    },
    async restoreSnapshot(records) {
      rights.assert("acl", "", "write");
      return writer.restoreSnapshot(records);
    },
  };
}

function assertOperation(
  operation: TxnOperation,
  all: readonly TxnOperation[],
  registry: RegistryReads,
  rights: Rights,
): void {
  switch (operation.kind) {
    case "kv":
      assertKeyOperation(operation, rights);
      return;
    case "node": {
      const { verb, record } = operation;
      if (verb === "set" && isHeld(registry, record)) return;
      rights.assert("node", record.name, verb === "get" ? "read" : "write");
      return;
    }
    case "service": {
      const { verb, record } = operation;
      const held = registry.serviceOfNode(record.node, record.id);
      const names =
        verb === "set" || verb === "cas" ? [held?.name, record.name] : [held?.name ?? record.name];
      if (verb === "get") rights.assert("node", record.node, "read");
      for (const name of names)
        if (name !== undefined) rights.assert("service", name, verb === "get" ? "read" : "write");
      return;
    }
    case "check": {
      const { verb, record } = operation;
      const held = registry.checkOfNode(record.node, record.id);
      const access = verb === "get" ? "read" : "write";
      const services = [
        ...registry.servicesOfNode(record.node),
        ...all.flatMap((one): ServiceRecord[] => (one.kind === "service" ? [one.record] : [])),
      ];
      const owners = verb === "set" || verb === "cas" ? [held, record] : [held ?? record];
      for (const owner of owners) {
        if (!owner) continue;
        const named = services.filter(({ node, id }) => node === record.node && id === owner.serviceId);
        if (named.length === 0) rights.assert("node", record.node, access);
        for (const { name } of named) rights.assert("service", name, access);
      }
      return;
    }
    default:
      operation satisfies never;
  }
}

function assertKeyOperation({ verb, key }: Extract<TxnOperation, { kind: "kv" }>, rights: Rights): void {
  switch (verb) {
    case "get":
    case "get-or-empty":
    case "check-index":
    case "check-session":
    case "check-not-exists":
      rights.assert("key", key, "read");
      return;
    case "get-tree":
      if (!rights.allowsReadingUnder(key)) throw rights.denied("key", key, "list");
      return;
    case "delete-tree":
      if (!rights.allowsWritingUnder(key)) throw rights.denied("key", key, "write");
      return;
    case "set":
    case "delete":
    case "delete-cas":
    case "cas":
    case "lock":
    case "unlock":
      rights.assert("key", key, "write");
      return;
    default:
      verb satisfies never;
  }
}

/** Registering a service beneath a node that is there as it is asks for nothing of the node. */
function isHeld(registry: RegistryReads, record: Extract<TxnOperation, { kind: "node" }>["record"]): boolean {
  const held = registry.node(record.name);
  if (!held) return false;
  const shown = ({ id, address, datacenter, meta, taggedAddresses }: typeof record) =>
    JSON.stringify([
      id,
      address,
      datacenter,
      Object.entries(meta).sort(),
      Object.entries(taggedAddresses).sort(),
    ]);
  return shown(held) === shown(record);
}

/**
 * A transaction of the contract as one of etcd, and etcd's answer as the contract's.
 *
 * etcd refuses to write a key twice in one transaction, and to put what it deletes. Such a branch is rehearsed: it reads
 * everything that it touches first, writes its net, and the pure core tells from what was read what each operation
 * saw. All of it is one transaction of etcd, so it is as atomic as any.
 */
import { create } from "@bufbuild/protobuf";
import { defaultStoreLimits } from "../core/limits.ts";
import { applyTxn, restoreState } from "../core/state.ts";
import type { Compare, Operation, OperationResult, StoreItem, Txn } from "../store.ts";
import type { Keyspace } from "./keyspace.ts";
import { type NetPut, netWrites } from "./net-writes.ts";
import {
  CompareSchema,
  type RequestOp,
  RequestOpSchema,
  type ResponseOp,
  type TxnRequest,
  TxnRequestSchema,
  type Compare as WireCompare,
} from "./proto/gen/etcd_pb.ts";

export interface PlannedTxn {
  readonly request: TxnRequest;
  answer(succeeded: boolean, responses: readonly ResponseOp[], revision: number): readonly OperationResult[];
}

interface Branch {
  readonly requests: RequestOp[];
  answer(responses: readonly ResponseOp[], revision: number): readonly OperationResult[];
}

export function planTxn(space: Keyspace, txn: Txn): PlannedTxn {
  const success = planBranch(space, txn.success);
  const failure = planBranch(space, txn.failure ?? []);
  return {
    request: create(TxnRequestSchema, {
      compare: (txn.compare ?? []).map((compare) => wireCompare(space, compare)),
      success: success.requests,
      failure: failure.requests,
    }),
    answer: (succeeded, responses, revision) => (succeeded ? success : failure).answer(responses, revision),
  };
}

/** The transaction, within one that does nothing while a replacement is under way (restore/). */
export function unlessRestoring(space: Keyspace, request: TxnRequest): TxnRequest {
  const compare = create(CompareSchema, {
    key: space.restoreKey,
    result: equal,
    target: target.createRevision,
    targetUnion: { case: "createRevision", value: 0n },
  });
  const inner = create(RequestOpSchema, { request: { case: "requestTxn", value: request } });
  return create(TxnRequestSchema, { compare: [compare], success: [inner] });
}

/** True when etcd did change something. */
export function wrote(responses: readonly ResponseOp[]): boolean {
  return responses.some(
    ({ response }) =>
      response.case === "responsePut" ||
      (response.case === "responseDeleteRange" && response.value.deleted > 0n),
  );
}

/** Of the id that the contract shows; etcd grants none below 1, so what is no id of it becomes one that is never there. */
export function leaseNumber(lease: string): bigint {
  return /^[1-9]\d{0,18}$/.test(lease) ? BigInt.asIntN(64, BigInt(lease)) : -1n;
}

const equal = 0;
const notEqual = 3;
const target = { createRevision: 1, modRevision: 2, value: 3 } as const;

function wireCompare(space: Keyspace, compare: Compare): WireCompare {
  const key = space.key(compare.key);
  if ("exists" in compare) {
    return create(CompareSchema, {
      key,
      result: compare.exists ? notEqual : equal,
      target: target.createRevision,
      targetUnion: { case: "createRevision", value: 0n },
    });
  }
  if ("value" in compare) {
    return create(CompareSchema, {
      key,
      result: equal,
      target: target.value,
      targetUnion: { case: "value", value: new Uint8Array(compare.value) },
    });
  }
  const [field, revision] =
    "modRevision" in compare
      ? (["modRevision", compare.modRevision] as const)
      : (["createRevision", compare.createRevision] as const);
  return create(CompareSchema, {
    key,
    result: equal,
    target: target[field],
    targetUnion: { case: field, value: BigInt(revision) },
  });
}

function planBranch(space: Keyspace, operations: readonly Operation[]): Branch {
  return writesTwice(operations) ? rehearsed(space, operations) : plain(space, operations);
}

function writesTwice(operations: readonly Operation[]): boolean {
  const puts = operations.flatMap((operation) => (operation.op === "put" ? [operation.key] : []));
  const unique = new Set(puts);
  if (unique.size < puts.length) return true;
  return operations.some((operation) => {
    if (operation.op === "delete") return unique.has(operation.key);
    return operation.op === "deletePrefix" && puts.some((key) => key.startsWith(operation.prefix));
  });
}

function plain(space: Keyspace, operations: readonly Operation[]): Branch {
  return {
    requests: operations.map((operation) => {
      switch (operation.op) {
        case "put":
          return putRequest(space, operation, true);
        case "delete":
          return deleteRequest({ key: space.key(operation.key) });
        case "deletePrefix":
          return deleteRequest(space.range(operation.prefix));
        case "get":
          return rangeRequest({ key: space.key(operation.key) });
        case "range":
          return rangeRequest(space.range(operation.prefix), operation.limit);
        default:
          return operation satisfies never;
      }
    }),
    answer: (responses) =>
      operations.map((operation, index) => plainResult(space, operation, responses[index])),
  };
}

function plainResult(space: Keyspace, { op }: Operation, answer: ResponseOp | undefined): OperationResult {
  const response = answer?.response;
  if (op === "put") {
    const previous = response?.case === "responsePut" ? response.value.prevKv : undefined;
    return previous ? { op, previous: space.item(previous) } : { op };
  }
  if (op === "delete" || op === "deletePrefix")
    return { op, deleted: response?.case === "responseDeleteRange" ? Number(response.value.deleted) : 0 };
  const items = itemsOf(space, answer);
  if (op === "range") return { op, items };
  return items[0] ? { op, item: items[0] } : { op };
}

function rehearsed(space: Keyspace, operations: readonly Operation[]): Branch {
  const prefixes = outermost(
    operations.flatMap((operation) => ("prefix" in operation ? [operation.prefix] : [])),
  );
  const keys = new Set(operations.flatMap((operation) => ("key" in operation ? [operation.key] : [])));
  for (const key of keys) if (prefixes.some((prefix) => key.startsWith(prefix))) keys.delete(key);
  const reads = [
    ...prefixes.map((prefix) => rangeRequest(space.range(prefix))),
    ...[...keys].map((key) => rangeRequest({ key: space.key(key) })),
  ];
  const { deletes, puts } = netWrites(space, operations);
  const leases = new Set(puts.flatMap(({ lease }) => lease ?? []));
  return {
    requests: [
      ...reads,
      ...deletes.map((range) => deleteRequest(range)),
      ...puts.map((each) => putRequest(space, each, false)),
    ],
    answer: (responses, revision) => {
      const found = responses.slice(0, reads.length).flatMap((answer) => itemsOf(space, answer));
      // Writes that undo each other make no revision; what they saw in between would have been of the next.
      const before = restoreState(
        wrote(responses) ? revision - 1 : revision,
        [...leases].map((id) => ({ id, ttlMs: 0 })),
        found,
      );
      return applyTxn(before, { success: operations }, { ...defaultStoreLimits, totalBytesMax: Infinity })
        .result.results;
    },
  };
}

/** Without those that another one covers. */
function outermost(prefixes: readonly string[]): readonly string[] {
  const unique = [...new Set(prefixes)];
  return unique.filter((prefix) => !unique.some((other) => other !== prefix && prefix.startsWith(other)));
}

function itemsOf(space: Keyspace, answer: ResponseOp | undefined): StoreItem[] {
  const response = answer?.response;
  return response?.case === "responseRange" ? response.value.kvs.map((kv) => space.item(kv)) : [];
}

interface Span {
  readonly key: Uint8Array;
  readonly rangeEnd?: Uint8Array;
}

function rangeRequest({ key, rangeEnd = new Uint8Array(0) }: Span, limit?: number): RequestOp {
  // Zero is no limit to etcd, and none of anything to the contract.
  const span = limit === 0 ? { key, rangeEnd: key } : { key, rangeEnd };
  const value = { ...span, limit: BigInt(limit ?? 0) };
  return create(RequestOpSchema, { request: { case: "requestRange", value } });
}

function deleteRequest({ key, rangeEnd = new Uint8Array(0) }: Span): RequestOp {
  return create(RequestOpSchema, { request: { case: "requestDeleteRange", value: { key, rangeEnd } } });
}

function putRequest(space: Keyspace, { key, value, lease }: NetPut, prevKv: boolean): RequestOp {
  const number = lease === undefined ? 0n : leaseNumber(lease);
  return create(RequestOpSchema, {
    request: {
      case: "requestPut",
      value: { key: space.key(key), value: new Uint8Array(value), lease: number, prevKv },
    },
  });
}

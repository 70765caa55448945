/**
 * What is left to write of operations that write keys twice: each key put once, what is deleted without what is put.
 *
 * Always holds: no two of the writes touch one key, which is what etcd asks for.
 */
import type { Operation } from "../store.ts";
import type { Keyspace } from "./keyspace.ts";

export interface NetPut {
  readonly key: string;
  readonly value: Uint8Array;
  readonly lease?: string;
}

export interface NetWrites {
  /** Without `rangeEnd`: one key. */
  readonly deletes: readonly { readonly key: Uint8Array; readonly rangeEnd?: Uint8Array }[];
  readonly puts: readonly NetPut[];
}

export function netWrites(space: Keyspace, operations: readonly Operation[]): NetWrites {
  const final = new Map<string, NetPut | undefined>();
  const prefixes = new Set<string>();
  for (const operation of operations) {
    if (operation.op === "put") final.set(operation.key, operation);
    else if (operation.op === "delete") final.set(operation.key, undefined);
    else if (operation.op === "deletePrefix") {
      for (const key of final.keys()) if (key.startsWith(operation.prefix)) final.delete(key);
      for (const inner of prefixes) if (inner.startsWith(operation.prefix)) prefixes.delete(inner);
      if (![...prefixes].some((outer) => operation.prefix.startsWith(outer))) prefixes.add(operation.prefix);
    }
  }
  const puts = [...final.values()].filter((put) => put !== undefined);
  const covered = (key: string) => [...prefixes].some((prefix) => key.startsWith(prefix));
  const single = [...final].filter(([key, put]) => put === undefined && !covered(key));
  return {
    puts,
    deletes: [
      ...single.map(([key]) => ({ key: space.key(key) })),
      ...[...prefixes].flatMap((prefix) => spared(space, prefix, puts)),
    ],
  };
}

/** The prefix in pieces around the keys that are put. */
function spared(space: Keyspace, prefix: string, puts: readonly NetPut[]) {
  const keep = puts.filter(({ key }) => key.startsWith(prefix)).map(({ key }) => Buffer.from(space.key(key)));
  const { key: first, rangeEnd: last } = space.range(prefix);
  const pieces: { key: Uint8Array; rangeEnd: Uint8Array }[] = [];
  let key = first;
  for (const each of keep.toSorted(Buffer.compare)) {
    if (Buffer.compare(key, each) < 0) pieces.push({ key, rangeEnd: each });
    key = Buffer.concat([each, Buffer.of(0)]);
  }
  return [...pieces, { key, rangeEnd: last }];
}

/** Random transactions over few keys, so that they meet: what engines are compared by. */
import fc from "fast-check";
import type { Compare, Operation, Txn } from "../../store/index.ts";

/** The leases that there are by then are filled in. */
export type Shape = (leases: readonly string[]) => Txn;

export const key = fc.constantFrom("a", "a/1", "a/2", "b", "ç/日", "😀", "z\u0000");
export const prefix = fc.constantFrom("", "a", "a/", "ç", "none");
const value = fc.uint8Array({ maxLength: 40 });
const leaseIndex = fc.option(fc.nat(4), { nil: undefined, freq: 3 });
type Template = (leases: readonly string[]) => Operation;
const operation: fc.Arbitrary<Template> = fc.oneof(
  fc.tuple(key, value, leaseIndex).map(([key, value, index]): Template => {
    return (leases) => {
      const lease = index === undefined ? undefined : leases[index % leases.length];
      return { op: "put", key, value, ...(lease === undefined ? {} : { lease }) };
    };
  }),
  key.map(
    (key): Template =>
      () => ({ op: "delete", key }),
  ),
  prefix.map(
    (prefix): Template =>
      () => ({ op: "deletePrefix", prefix }),
  ),
  key.map(
    (key): Template =>
      () => ({ op: "get", key }),
  ),
  fc.tuple(prefix, fc.nat(3)).map(
    ([prefix, limit]): Template =>
      () => ({ op: "range", prefix, limit }),
  ),
);
const compare: fc.Arbitrary<Compare> = fc.oneof(
  fc.record({ key, exists: fc.boolean() }),
  fc.record({ key, modRevision: fc.nat(20) }),
  fc.record({ key, createRevision: fc.nat(20) }),
  fc.record({ key, value }),
);
export const shape: fc.Arbitrary<Shape> = fc
  .tuple(
    fc.array(compare, { maxLength: 2 }),
    fc.array(operation, { maxLength: 7 }),
    fc.array(operation, { maxLength: 2 }),
  )
  .map(([compare, operations, otherwise]): Shape => {
    return (leases) => ({
      compare,
      success: operations.map((make) => make(leases)),
      failure: otherwise.map((make) => make(leases)),
    });
  });

/**
 * A number for the content of a view, the same on both sides whatever the order of changes: the sum, modulo
 * 2^64, of a hash of each item. It lets an agent resume at any server and proves each update. It guards against
 * our own mistakes and lost history, not against an adversary.
 */
import { hash } from "node:crypto";

export const emptyDigest = 0n;

export function itemDigest(key: string, json: string): bigint {
  return hash("sha1", `${key}\0${json}`, "buffer").readBigUInt64LE(0);
}

export function addDigest(sum: bigint, item: bigint): bigint {
  return BigInt.asUintN(64, sum + item);
}

export function subtractDigest(sum: bigint, item: bigint): bigint {
  return BigInt.asUintN(64, sum - item);
}

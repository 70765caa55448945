/** Where trust is in the store. */
import type { Operation, StoreItem } from "../../store/index.ts";

export const trustPrefix = "trust/";
export const authorityKey = "trust/authority";
export const generationsPrefix = "trust/nodes/";
export const issuedPrefix = "trust/issued/";
export const tokensPrefix = "trust/tokens/";

export function get(key: string): Operation {
  return { op: "get", key };
}

export function put(key: string, value: unknown): Operation {
  return { op: "put", key, value: Buffer.from(JSON.stringify(value)) };
}

export function decode<T>({ value }: Pick<StoreItem, "value">): T {
  return JSON.parse(Buffer.from(value).toString()) as T;
}

/** Pieces of a ruleset in the JSON of libnftables-json(5), written the way nft lists them. */
import { nftFamily, nftTableName } from "../row/index.ts";

export type NftObject = Readonly<Record<string, unknown>>;

export const place = { family: nftFamily, table: nftTableName } as const;
export const drop = { drop: null } as const;

export function chain(name: string, type: string, hook: string, prio: number): NftObject {
  return { chain: { ...place, name, type, hook, prio, policy: "accept" } };
}

export function rule(inChain: string, ...expr: readonly unknown[]): NftObject {
  return { rule: { ...place, chain: inChain, expr } };
}

export function match(op: "==" | "!=" | "in", left: unknown, right: unknown): NftObject {
  return { match: { op, left, right } };
}

export function field(protocol: string, name: string): NftObject {
  return { payload: { protocol, field: name } };
}

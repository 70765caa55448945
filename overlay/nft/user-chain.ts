/**
 * Docker makes the host's FORWARD policy drop, and an accept of our table does not overrule that. Its chain
 * DOCKER-USER is where rules of others have their place: two of ours stand there, last but for Docker's final
 * return, so that whatever an operator put before them still holds. They carry a comment as our mark.
 *
 * Source: https://docs.docker.com/engine/network/packet-filtering-firewalls/
 */
import { hostPrefix } from "../row/index.ts";
import { match, type NftObject } from "./syntax.ts";

/** Tables of iptables-nft(8). */
export const userChainFamilies = ["ip", "ip6"] as const;
export type UserChainFamily = (typeof userChainFamilies)[number];
export const userChainTable = "filter";
const chainName = "DOCKER-USER";
const mark = "heddle";

interface ListedRule {
  readonly chain: string;
  readonly handle: number;
  readonly comment?: string;
  readonly expr?: readonly unknown[];
}

/** Commands that bring our rules into the chain; none when they are there, or there is no such chain. */
export function userChainCommands(family: UserChainFamily, listed: readonly unknown[] = []): unknown[] {
  const rules = rulesOf(listed);
  const ours = rules.filter(isOurRule);
  if (!hasUserChain(listed) || ours.length === directions.length) return [];
  const last = rules.findLast((each) => !isOurRule(each));
  const before = last && isReturn(last) ? { handle: last.handle } : undefined;
  const added = directions.map((key) => {
    const expr = [match("==", { meta: { key } }, `${hostPrefix}*`), { accept: null }];
    const rule = { ...place(family), ...before, comment: mark, expr };
    return before ? { insert: { rule } } : { add: { rule } };
  });
  return [...removals(family, ours), ...added];
}

/** Commands that take our rules out again. */
export function userChainRemoval(family: UserChainFamily, listed: readonly unknown[] = []): unknown[] {
  return removals(family, rulesOf(listed).filter(isOurRule));
}

/** True when Docker's rules for forwarded packets stand there. */
export function hasUserChain(listed: readonly unknown[] = []): boolean {
  return listed.some((object) => (object as { chain?: { name?: string } }).chain?.name === chainName);
}

const directions = ["iifname", "oifname"] as const;

function place(family: UserChainFamily): NftObject {
  return { family, table: userChainTable, chain: chainName };
}

function removals(family: UserChainFamily, rules: readonly ListedRule[]): unknown[] {
  return rules.map(({ handle }) => ({ delete: { rule: { ...place(family), handle } } }));
}

function rulesOf(listed: readonly unknown[]): ListedRule[] {
  return listed.flatMap((object) => {
    const { rule } = object as { rule?: ListedRule };
    return rule?.chain === chainName ? [rule] : [];
  });
}

function isOurRule({ comment }: ListedRule): boolean {
  return comment === mark;
}

function isReturn({ expr = [] }: ListedRule): boolean {
  return expr.every((part) =>
    Object.keys(part as object).every((key) => key === "return" || key === "counter"),
  );
}

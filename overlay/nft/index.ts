/** The nftables table of a node. */
export { canonicalTable } from "./canonical.ts";
export { deleteTable, desiredTable, replaceTable } from "./ruleset.ts";
export type { NftObject } from "./syntax.ts";
export {
  hasUserChain,
  userChainCommands,
  userChainFamilies,
  userChainRemoval,
  userChainTable,
} from "./user-chain.ts";

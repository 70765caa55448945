/** The nftables table of a node. */
export { canonicalTable } from "./canonical.ts";
export { deleteTable, desiredTable, type NftObject, replaceTable } from "./ruleset.ts";

/** nftables through nft(8). */
export { applyRuleset, listTable, type NftOptions } from "./nft.ts";
export { RecentRuns } from "./recent-runs.ts";

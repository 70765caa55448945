/** The servers' side: networks, terms, claims of blocks and of single addresses. */
export type { ClaimBlockRequest } from "./block-claims.ts";
export { networksMax } from "./network-plan.ts";
export { retiredTermsMax } from "./node-terms.ts";
export { PoolAuthority, type PoolAuthorityOptions } from "./pool-authority.ts";
export type { PoolUse } from "./pool-use.ts";
export type { ReclaimedTerm } from "./reclaim.ts";
export type { ClaimStaticRequest } from "./static-claims.ts";

/** What every agent is told of the authorities, to know when to renew: the content of the view `trust`. No secret. */
import { type AuthorityState, believedOf } from "./authority-state.ts";
import { fingerprintOf } from "./join-token.ts";

/** Fingerprints. */
export interface TrustBrief {
  readonly signs: string;
  readonly believed: readonly string[];
}

export function trustBrief(state: AuthorityState): TrustBrief {
  const believed = believedOf(state).map(fingerprintOf);
  return { signs: believed[0] ?? "", believed };
}

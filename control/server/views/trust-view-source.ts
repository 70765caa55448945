/** The view `trust`: the authorities that agents are to believe, and which of them signs. One item, or none where it is lost. */
import { isFabricError } from "../../../errors/index.ts";
import type { Store } from "../../../store/index.ts";
import { type TrustBook, trustBrief } from "../../trust/index.ts";
import { authoritiesItem, trustView } from "../../view-items.ts";
import type { ViewSource } from "./view-source.ts";

export function trustViewSource(trust: TrustBook, store: Pick<Store, "range">): ViewSource {
  return {
    prefix: trustView,
    async open(_rest, sink) {
      const load = async () => {
        const { revision } = await store.range(trustView, { limit: 1, keysOnly: true });
        const brief = await trust.authorities.state().then(trustBrief, (error: unknown) => {
          if (isFabricError(error, "CONTROL_AUTHORITY_LOST")) return undefined;
          throw error;
        });
        sink.load(revision, new Map(brief && [[authoritiesItem, JSON.stringify(brief)]]));
      };
      await load();
      // A change that could not be read is told by the next one, at the latest when the agent renews.
      const stop = trust.authorities.onChange(() => void load().catch(() => undefined));
      return { caughtUp: async () => undefined, close: stop };
    },
  };
}

/** Tokens on this process, wired: on a server from its registry, on an agent from its servers. */
import { everybody, type RightsSource, type ServerAcl } from "../api/index.ts";
import type { Clock } from "../clock/index.ts";
import { isFabricError } from "../errors/index.ts";
import { AclWriter, allRights, type Registry, Rights, TokenRights } from "../registry/index.ts";
import type { Store } from "../store/index.ts";
import type { RightsNow } from "./names/guarded-catalog.ts";

/** Undefined: tokens are not looked at. */
export function serverAcl(
  store: Store,
  registry: Registry,
  clock: Clock,
  defaultPolicy: "allow" | "deny" | undefined,
): ServerAcl | undefined {
  if (defaultPolicy === undefined) return undefined;
  return {
    rights: new TokenRights(registry.acl, registry.datacenter, defaultPolicy),
    writer: new AclWriter({ store, registry, clock }),
    defaultPolicy,
  };
}

/** What DNS of a process with a server goes by. */
export function rightsBeside(
  acl: ServerAcl | undefined,
  registry: Pick<Registry, "onChange">,
  ownToken: string,
): RightsNow {
  return {
    get own() {
      if (!acl) return allRights;
      try {
        return acl.rights.of(ownToken);
      } catch (error) {
        if (!isFabricError(error, "REGISTRY_TOKEN_UNKNOWN")) throw error;
        return new Rights({ accessor: "", defaultAccess: "deny", rules: [] });
      }
    },
    onChange: (listener) =>
      registry.onChange(({ topics }) => {
        if (topics.has("acl")) listener();
      }),
  };
}

/** A request without a token is the agent's own, as in Consul (`acl.tokens.default`). */
export function rightsOfServer(acl: ServerAcl | undefined, ownToken: string): RightsSource {
  return acl ? (secret) => acl.rights.of(secret === "" ? ownToken : secret) : everybody;
}

/**
 * Secret → rights, on a process that holds the registry. Compiled once a token and kept until any token or policy
 * changes, so that a revoked one ends with the next request.
 *
 * Always holds: what cannot be read denies: a policy with rules that no longer parse takes every right of its tokens.
 */
import { FabricError } from "../../errors/index.ts";
import { anonymousSecret, anonymousTokenId, type PolicyEntry, type TokenEntry } from "./acl-model.ts";
import type { AclReads } from "./acl-state.ts";
import { parseRules } from "./parse-rules.ts";
import { Rights } from "./rights.ts";
import type { Rule } from "./rule.ts";

/** Tokens whose compiled rights are kept; beyond, the longest kept goes. */
export const rightsCachedMax = 4096;

export class TokenRights {
  readonly #acl: AclReads;
  readonly #datacenter: string;
  readonly #defaultAccess: "deny" | "write";
  readonly #cached = new Map<string, Rights>();
  #version = -1;

  constructor(acl: AclReads, datacenter: string, defaultPolicy: "allow" | "deny") {
    this.#acl = acl;
    this.#datacenter = datacenter;
    this.#defaultAccess = defaultPolicy === "allow" ? "write" : "deny";
  }

  /** "" is the anonymous token's. @throws REGISTRY_TOKEN_UNKNOWN */
  of(secret: string): Rights {
    const { version } = this.#acl;
    if (this.#version !== version) this.#cached.clear();
    this.#version = version;
    const held = this.#cached.get(secret);
    if (held) return held;
    const token = this.#acl.tokenOfSecret(secret === "" ? anonymousSecret : secret);
    if (!token) throw new FabricError("REGISTRY_TOKEN_UNKNOWN", "ACL not found: no token has this secret");
    const rights = this.#compile(token);
    if (this.#cached.size >= rightsCachedMax) {
      const [oldest = ""] = this.#cached.keys();
      this.#cached.delete(oldest);
    }
    this.#cached.set(secret, rights);
    return rights;
  }

  #compile(token: TokenEntry): Rights {
    const accessor = token.id === anonymousTokenId ? "" : token.id;
    const policies = token.policies
      .flatMap((id) => this.#acl.policy(id) ?? [])
      .filter(isFor(this.#datacenter));
    try {
      const rules = policies.flatMap(({ rules: text }) => parseRules(text));
      rules.push(...identityRules(token, this.#datacenter));
      return new Rights({ accessor, defaultAccess: this.#defaultAccess, rules });
    } catch {
      return new Rights({ accessor, defaultAccess: "deny", rules: [] });
    }
  }
}

function isFor(datacenter: string): (policy: PolicyEntry) => boolean {
  return ({ datacenters }) => datacenters.length === 0 || datacenters.includes(datacenter);
}

/** As Consul's templates: a service registers itself and finds others, a node registers itself and finds services. */
function identityRules({ serviceIdentities, nodeIdentities }: TokenEntry, datacenter: string): Rule[] {
  const services = serviceIdentities.filter(
    ({ datacenters }) => datacenters.length === 0 || datacenters.includes(datacenter),
  );
  const nodes = nodeIdentities.filter((node) => node.datacenter === datacenter);
  return [
    ...services.flatMap(({ serviceName: name }): Rule[] => [
      { resource: "service", match: "exact", name, access: "write" },
      { resource: "service", match: "exact", name: `${name}-sidecar-proxy`, access: "write" },
      { resource: "service", match: "prefix", name: "", access: "read" },
      { resource: "node", match: "prefix", name: "", access: "read" },
    ]),
    ...nodes.flatMap(({ nodeName: name }): Rule[] => [
      { resource: "node", match: "exact", name, access: "write" },
      { resource: "service", match: "prefix", name: "", access: "read" },
    ]),
  ];
}

/**
 * What the holder of a token may do: its rules, compiled. Pure; asked on every request and for every item of a list.
 *
 * Always holds: the rule for exactly this name decides; else that of its longest prefix, `deny` before `write` before
 * `read` where several policies have one; else the default. Tokens are managed by who has a rule for it only.
 *
 * Cost: one look-up, and one for each length of prefix that a rule of the kind has.
 */
import { FabricError } from "../../errors/index.ts";
import { type Access, comparedName, contains, type Resource, type Rule, stronger } from "./rule.ts";

interface Compiled {
  readonly exact: Map<string, Access>;
  readonly prefixes: Map<string, Access>;
  /** Of prefixes, longest first. */
  lengths: readonly number[];
}

export interface RightsSpec {
  /** "" of the anonymous token. */
  readonly accessor: string;
  readonly defaultAccess: "deny" | "write";
  readonly rules: readonly Rule[];
}

export class Rights {
  readonly spec: RightsSpec;
  readonly #compiled = new Map<Resource, Compiled>();

  constructor(spec: RightsSpec) {
    this.spec = spec;
    for (const { resource, match, name, access } of spec.rules) {
      const compiled = this.#of(resource);
      const table = match === "exact" ? compiled.exact : compiled.prefixes;
      const compared = comparedName(resource, name);
      const held = table.get(compared);
      table.set(compared, held === undefined ? access : stronger(held, access));
    }
    for (const compiled of this.#compiled.values())
      compiled.lengths = [...new Set([...compiled.prefixes.keys()].map(({ length }) => length))].sort(
        (a, b) => b - a,
      );
  }

  access(resource: Resource, name = ""): Access {
    const compiled = this.#compiled.get(resource);
    if (!compiled) return resource === "acl" ? "deny" : this.spec.defaultAccess;
    const compared = comparedName(resource, name);
    return compiled.exact.get(compared) ?? this.#ofPrefix(compiled, compared);
  }

  allows(resource: Resource, name: string, wanted: Access): boolean {
    return contains(this.access(resource, name), wanted);
  }

  /** Every key that begins so, there or not. */
  allowsReadingUnder(prefix: string): boolean {
    return this.#allowsUnder(prefix, "read");
  }

  allowsWritingUnder(prefix: string): boolean {
    return this.#allowsUnder(prefix, "write");
  }

  /** @throws REGISTRY_PERMISSION_DENIED */
  assert(resource: Resource, name: string, wanted: Access): void {
    if (!this.allows(resource, name, wanted)) throw this.denied(resource, name, wanted);
  }

  /** In Consul's words, which clients look for. */
  denied(resource: Resource, name: string, wanted: Access): FabricError {
    const { accessor } = this.spec;
    const who = accessor === "" ? "anonymous token" : `token with AccessorID '${accessor}'`;
    const on = name === "" ? "" : ` on ${JSON.stringify(name)}`;
    const why =
      accessor === ""
        ? ". The anonymous token is used implicitly when a request does not specify a token."
        : "";
    return new FabricError(
      "REGISTRY_PERMISSION_DENIED",
      `Permission denied: ${who} lacks permission '${resource}:${wanted}'${on}${why}`,
      { details: { accessor, resource, name, wanted } },
    );
  }

  #allowsUnder(prefix: string, wanted: Access): boolean {
    const compiled = this.#compiled.get("key");
    if (!compiled) return contains(this.spec.defaultAccess, wanted);
    if (!contains(this.#ofPrefix(compiled, prefix), wanted)) return false;
    const below = [...compiled.exact, ...compiled.prefixes].filter(([name]) => name.startsWith(prefix));
    return below.every(([, access]) => contains(access, wanted));
  }

  #ofPrefix({ prefixes, lengths }: Compiled, name: string): Access {
    for (const length of lengths) {
      if (length > name.length) continue;
      const found = prefixes.get(name.slice(0, length));
      if (found !== undefined) return found;
    }
    return this.spec.defaultAccess;
  }

  #of(resource: Resource): Compiled {
    const held = this.#compiled.get(resource);
    if (held) return held;
    const made: Compiled = { exact: new Map(), prefixes: new Map(), lengths: [] };
    this.#compiled.set(resource, made);
    return made;
  }
}

/** Where there are no tokens. */
export const allRights = new Rights({
  accessor: "",
  defaultAccess: "write",
  rules: [{ resource: "acl", match: "exact", name: "", access: "write" }],
});

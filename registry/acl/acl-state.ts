/** Tokens by accessor and by secret, policies by id and by name, as the store holds them, and those that are built in. */
import { EntryList } from "../catalog/entry-list.ts";
import { anonymousToken, builtinPolicies, type PolicyEntry, type TokenEntry } from "./acl-model.ts";

export interface AclReads {
  /** Rises with each change of a token or a policy. */
  readonly version: number;
  /** Oldest first, those built in before. */
  tokens(): readonly TokenEntry[];
  token(accessor: string): TokenEntry | undefined;
  tokenOfSecret(secret: string): TokenEntry | undefined;
  policies(): readonly PolicyEntry[];
  policy(id: string): PolicyEntry | undefined;
  policyNamed(name: string): PolicyEntry | undefined;
}

export class AclState implements AclReads {
  readonly #tokens: EntryList<TokenEntry>;
  readonly #policies: EntryList<PolicyEntry>;
  readonly #bySecret = new Map<string, string>();
  /** In lower case. */
  readonly #byName = new Map<string, string>();
  #version = 0;

  constructor(mark: () => void) {
    const changed = () => {
      this.#version++;
      mark();
    };
    this.#tokens = new EntryList(changed);
    this.#policies = new EntryList(changed);
    for (const policy of builtinPolicies) this.putPolicy(policy);
    this.putToken(anonymousToken);
  }

  get version(): number {
    return this.#version;
  }

  putToken(token: TokenEntry): void {
    this.#forgetSecret(token.id);
    this.#bySecret.set(token.secret, token.id);
    this.#tokens.put(token);
  }

  deleteToken(id: string): void {
    this.#forgetSecret(id);
    this.#tokens.delete(id);
    if (id === anonymousToken.id) this.putToken(anonymousToken);
  }

  putPolicy(policy: PolicyEntry): void {
    this.#forgetName(policy.id);
    this.#byName.set(policy.name.toLowerCase(), policy.id);
    this.#policies.put(policy);
  }

  deletePolicy(id: string): void {
    this.#forgetName(id);
    this.#policies.delete(id);
  }

  tokens(): readonly TokenEntry[] {
    return this.#tokens.list();
  }

  token(accessor: string): TokenEntry | undefined {
    return this.#tokens.get(accessor);
  }

  tokenOfSecret(secret: string): TokenEntry | undefined {
    return this.#tokens.get(this.#bySecret.get(secret) ?? "");
  }

  policies(): readonly PolicyEntry[] {
    return this.#policies.list();
  }

  policy(id: string): PolicyEntry | undefined {
    return this.#policies.get(id);
  }

  policyNamed(name: string): PolicyEntry | undefined {
    return this.#policies.get(this.#byName.get(name.toLowerCase()) ?? "");
  }

  #forgetSecret(id: string): void {
    const held = this.#tokens.get(id);
    if (held && this.#bySecret.get(held.secret) === id) this.#bySecret.delete(held.secret);
  }

  #forgetName(id: string): void {
    const name = this.#policies.get(id)?.name.toLowerCase();
    if (name !== undefined && this.#byName.get(name) === id) this.#byName.delete(name);
  }
}

/**
 * Makes, changes and deletes tokens and policies. Secrets and names of policies belong to one each: each has a key of
 * its own, written under the condition that it is free, so that two servers cannot give it away twice.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { Compare, Store, Write } from "../../store/index.ts";
import { aclBootstrapKey, aclPolicyKey, aclPolicyNameKey, aclSecretKey, aclTokenKey } from "../keys.ts";
import { applied } from "../own-write.ts";
import type { RegistryReads } from "../reads.ts";
import { transaction } from "../transaction.ts";
import {
  anonymousToken,
  anonymousTokenId,
  builtinPolicies,
  encodeAcl,
  managementPolicyId,
  type PolicyEntry,
  type PolicyRecord,
  type TokenEntry,
  type TokenRecord,
} from "./acl-model.ts";
import { parseRules } from "./parse-rules.ts";

export const tokensMax = 65_536;
export const policiesMax = 4096;
/** Policies, and identities of each kind, of one token. */
export const grantsPerTokenMax = 128;
export const aclTextBytesMax = 1024;

export type TokenSpec = Omit<TokenRecord, "id" | "secret" | "createdAtMs"> & {
  readonly id?: string;
  readonly secret?: string;
};

export type PolicySpec = Omit<PolicyRecord, "id">;

export interface AclWriterOptions {
  readonly store: Store;
  readonly registry: RegistryReads;
  readonly clock: Clock;
  /** Accessors, secrets and ids. Default: random UUIDs. */
  readonly newId?: () => string;
}

export class AclWriter {
  readonly #store: Store;
  readonly #registry: RegistryReads;
  readonly #clock: Clock;
  readonly #newId: () => string;

  constructor({ store, registry, clock, newId = randomUUID }: AclWriterOptions) {
    this.#store = store;
    this.#registry = registry;
    this.#clock = clock;
    this.#newId = newId;
  }

  /** The first token of all, which may do everything; once in the life of a store. @throws REGISTRY_PERMISSION_DENIED */
  async bootstrap(secret: string | undefined): Promise<TokenEntry> {
    const spec: TokenSpec = {
      description: "Bootstrap Token (Global Management)",
      policies: [managementPolicyId],
      serviceIdentities: [],
      nodeIdentities: [],
      local: false,
      ...(secret !== undefined && { secret }),
    };
    const mark: Write = { op: "put", key: aclBootstrapKey, value: new Uint8Array(0) };
    return this.#makeToken(spec, [{ key: aclBootstrapKey, exists: false }], [mark], () => {
      throw new FabricError(
        "REGISTRY_PERMISSION_DENIED",
        "Permission denied: ACL bootstrap no longer allowed: it was done once for this store",
      );
    });
  }

  /** @throws REGISTRY_INVALID, REGISTRY_LIMIT */
  createToken(spec: TokenSpec): Promise<TokenEntry> {
    if (this.#registry.acl.tokens().length >= tokensMax) throw full("tokens", "tokensMax", tokensMax);
    return this.#makeToken(spec, [], [], () => {
      throw refused("create a token: its AccessorID or SecretID is taken; leave them out");
    });
  }

  /** The secret stays. @throws REGISTRY_TOKEN_UNKNOWN, REGISTRY_INVALID, REGISTRY_CONTENDED */
  async updateToken(accessor: string, spec: TokenSpec): Promise<TokenEntry> {
    this.#assertToken(spec);
    const held = this.#registry.acl.token(accessor);
    if (!held) throw unknownToken();
    if (spec.secret !== undefined && spec.secret !== held.secret)
      throw refused("update a token: its SecretID stays as it is");
    const record = { ...spec, id: held.id, secret: held.secret, createdAtMs: held.createdAtMs };
    const revision = await this.#commit(
      [whenUnchanged(aclTokenKey(held.id), held)],
      [{ op: "put", key: aclTokenKey(held.id), value: encodeAcl(record) }],
      () => contended("update the token"),
    );
    return { ...record, createIndex: held.createIndex, modifyIndex: revision };
  }

  /** Nothing happens when it is gone already. @throws REGISTRY_INVALID */
  async deleteToken(accessor: string): Promise<void> {
    if (accessor === anonymousTokenId) throw refused("Delete operation not permitted on the anonymous token");
    const held = this.#registry.acl.token(accessor);
    if (!held) return;
    await this.#commit(
      [whenUnchanged(aclTokenKey(held.id), held)],
      [
        { op: "delete", key: aclTokenKey(held.id) },
        { op: "delete", key: aclSecretKey(held.secret) },
      ],
      () => contended("delete the token"),
    );
  }

  /** @throws REGISTRY_INVALID, REGISTRY_LIMIT */
  async createPolicy(spec: PolicySpec): Promise<PolicyEntry> {
    if (this.#registry.acl.policies().length >= policiesMax)
      throw full("policies", "policiesMax", policiesMax);
    assertPolicy(spec);
    const record = { ...spec, id: this.#newId() };
    const nameKey = aclPolicyNameKey(spec.name);
    if (this.#registry.acl.policyNamed(spec.name)) throw nameTaken(spec.name);
    const revision = await this.#commit(
      [{ key: nameKey, exists: false }],
      [
        { op: "put", key: nameKey, value: new TextEncoder().encode(record.id) },
        { op: "put", key: aclPolicyKey(record.id), value: encodeAcl(record) },
      ],
      () => nameTaken(spec.name),
    );
    return { ...record, createIndex: revision, modifyIndex: revision };
  }

  /** @throws REGISTRY_POLICY_NOT_FOUND, REGISTRY_INVALID, REGISTRY_CONTENDED */
  async updatePolicy(id: string, spec: PolicySpec): Promise<PolicyEntry> {
    assertPolicy(spec);
    const held = this.#changeable(id);
    const [before, after] = [aclPolicyNameKey(held.name), aclPolicyNameKey(spec.name)];
    const record = { ...spec, id };
    const compare: Compare[] = [whenUnchanged(aclPolicyKey(id), held)];
    const writes: Write[] = [{ op: "put", key: aclPolicyKey(id), value: encodeAcl(record) }];
    if (before !== after) {
      if (this.#registry.acl.policyNamed(spec.name)) throw nameTaken(spec.name);
      compare.push({ key: after, exists: false });
      writes.push({ op: "delete", key: before });
      writes.push({ op: "put", key: after, value: new TextEncoder().encode(id) });
    }
    const revision = await this.#commit(compare, writes, () => contended("update the policy"));
    return { ...record, createIndex: held.createIndex, modifyIndex: revision };
  }

  /** Tokens that have it lose its rights. Nothing happens when it is gone already. @throws REGISTRY_INVALID */
  async deletePolicy(id: string): Promise<void> {
    if (!this.#registry.acl.policy(id)) return;
    const held = this.#changeable(id);
    await this.#commit(
      [whenUnchanged(aclPolicyKey(id), held)],
      [
        { op: "delete", key: aclPolicyKey(id) },
        { op: "delete", key: aclPolicyNameKey(held.name) },
      ],
      () => contended("delete the policy"),
    );
  }

  async #makeToken(
    spec: TokenSpec,
    compare: readonly Compare[],
    writes: readonly Write[],
    whenRefused: () => never,
  ): Promise<TokenEntry> {
    this.#assertToken(spec);
    const { id = this.#newId(), secret = this.#newId() } = spec;
    if (this.#registry.acl.token(id) ?? this.#registry.acl.tokenOfSecret(secret))
      throw refused("create a token: its AccessorID or SecretID is taken; leave them out");
    const record: TokenRecord = { ...spec, id, secret, createdAtMs: this.#clock.wallMs() };
    const revision = await this.#commit(
      [...compare, { key: aclTokenKey(id), exists: false }, { key: aclSecretKey(secret), exists: false }],
      [
        ...writes,
        { op: "put", key: aclSecretKey(secret), value: new TextEncoder().encode(id) },
        { op: "put", key: aclTokenKey(id), value: encodeAcl(record) },
      ],
      whenRefused,
    );
    return { ...record, createIndex: revision, modifyIndex: revision };
  }

  /** Resolves when the registry of this process has seen it, so that the token works at once. */
  async #commit(
    compare: readonly Compare[],
    writes: readonly Write[],
    whenRefused: () => FabricError,
  ): Promise<number> {
    const { succeeded, revision } = await this.#store.txn(transaction(compare, writes));
    await applied(this.#registry, this.#clock, revision);
    if (!succeeded) throw whenRefused();
    return revision;
  }

  #changeable(id: string): PolicyEntry {
    if (builtinPolicies.some((policy) => policy.id === id))
      throw refused("change a policy: those built in stay as they are");
    const held = this.#registry.acl.policy(id);
    if (held) return held;
    throw new FabricError("REGISTRY_POLICY_NOT_FOUND", "Requested policy does not exist: ACL not found", {
      details: { id },
    });
  }

  #assertToken({ id, secret, description, policies, serviceIdentities, nodeIdentities }: TokenSpec): void {
    for (const given of [id, secret])
      if (given !== undefined && !isUuid.test(given) && given !== anonymousToken.secret)
        throw refused("write a token: its AccessorID and SecretID must be UUIDs");
    assertText("Description", description);
    for (const grants of [policies, serviceIdentities, nodeIdentities])
      if (grants.length > grantsPerTokenMax)
        throw full("grants of one token", "grantsPerTokenMax", grantsPerTokenMax);
    for (const policy of policies)
      if (!this.#registry.acl.policy(policy))
        throw refused(`No such ACL policy with ID ${JSON.stringify(policy)}`);
    for (const { serviceName } of serviceIdentities)
      if (!/^[a-z0-9]([a-z0-9\-_]{0,254}[a-z0-9])?$/.test(serviceName))
        throw refused(`Service identity ${JSON.stringify(serviceName.slice(0, 64))} has an invalid name`);
    for (const { nodeName, datacenter } of nodeIdentities)
      if (!/^[a-z0-9]([a-z0-9\-_.]{0,254}[a-z0-9])?$/i.test(nodeName) || datacenter === "")
        throw refused("Node identity wants a valid NodeName and a Datacenter");
  }
}

const isUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function assertPolicy({ name, description, rules }: PolicySpec): void {
  if (!/^[A-Za-z0-9\-_]{1,128}$/.test(name))
    throw refused(
      "Invalid Policy: invalid Name. Only alphanumeric characters, '-' and '_' are allowed, 128 at most",
    );
  assertText("Description", description);
  parseRules(rules);
}

function assertText(what: string, text: string): void {
  if (Buffer.byteLength(text) > aclTextBytesMax)
    throw refused(`${what} has more than ${aclTextBytesMax} bytes`);
}

/** What is built in, and was never written, stands at 0. */
function whenUnchanged(key: string, { modifyIndex }: { readonly modifyIndex: number }): Compare {
  return modifyIndex === 0 ? { key, exists: false } : { key, modRevision: modifyIndex };
}

function nameTaken(name: string): FabricError {
  return refused(`Invalid Policy: A Policy with Name ${JSON.stringify(name)} already exists`);
}

function unknownToken(): FabricError {
  return new FabricError("REGISTRY_TOKEN_UNKNOWN", "ACL not found: there is no such token");
}

function refused(message: string): FabricError {
  return new FabricError("REGISTRY_INVALID", message);
}

function contended(action: string): FabricError {
  return new FabricError(
    "REGISTRY_CONTENDED",
    `${action}: somebody else changed it meanwhile; read it again and retry`,
  );
}

function full(what: string, limit: string, max: number): FabricError {
  return new FabricError("REGISTRY_LIMIT", `write ${what}: there are ${max} already; delete what is unused`, {
    details: { limit, max },
  });
}

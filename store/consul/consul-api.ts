/**
 * What the store asks of Consul, by the npm client: keys with check-and-set, transactions, blocking queries. Requests go
 * to the address that worked last, then to the next.
 *
 * Always holds: every request has a time limit; reads are consistent (a leader that a quorum confirmed) unless they
 * block, which only tells when to look.
 */
import { EventEmitter } from "node:events";
import { Agent } from "node:https";
import Consul from "consul";
import { FabricError } from "../../errors/index.ts";
import type { ConsulLimits } from "./limits.ts";

export interface ConsulAccess {
  /** `HOST:PORT` */
  readonly addresses: readonly string[];
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
  readonly token?: string;
}

interface Row {
  readonly Key: string;
  readonly Value: string | null;
  readonly ModifyIndex: number;
}

export interface Found {
  readonly value: string;
  /** Consul's, of its last change. */
  readonly index: number;
}

interface Results {
  readonly Results?: readonly { readonly KV: Row }[] | null;
  /** Why it did not apply; OpIndex counts the operations from 0. */
  readonly Errors?: readonly { readonly OpIndex: number }[] | null;
}

interface Failure extends Error {
  readonly isResponse?: boolean;
  readonly response?: { readonly statusCode?: number; readonly body?: unknown };
}

/** Of one transaction of Consul. */
const operationsMax = 64;

type Use<Result> = (consul: Consul, common: object) => Promise<Result>;

export class ConsulApi {
  readonly #clients: readonly Consul[];
  readonly #limits: ConsulLimits;
  readonly #ending = new AbortController();
  #first = 0;

  constructor({ addresses, tls, token }: ConsulAccess, limits: ConsulLimits) {
    this.#limits = limits;
    this.#clients = addresses.map((address) => {
      const { hostname, port } = new URL(`http://${address}`);
      return new Consul({
        host: hostname,
        port: Number(port || 80),
        ...(tls && { secure: true, agent: new Agent({ ...tls, keepAlive: true }) }),
        defaults: { ...(token !== undefined && { token }) },
      });
    });
  }

  async get(key: string): Promise<string | undefined> {
    const row = await this.#ask(`read ${key}`, (consul, common) =>
      consul.kv.get({ key, consistent: true, ...common } as { key: string }),
    );
    return (row as Row | undefined)?.Value ?? undefined;
  }

  /** These keys, absent ones left out, as of one moment. */
  async together(keys: readonly string[]): Promise<ReadonlyMap<string, Found>> {
    const { Results: results } = await this.#txn(
      "read the log",
      keys.map((key) => ({ Verb: "get-tree", Key: key })),
      { consistent: true },
    );
    const rows = (results ?? []).map(({ KV }) => KV).filter(({ Key }) => keys.includes(Key));
    return new Map(
      rows.map(({ Key, Value, ModifyIndex }) => [Key, { value: decodeValue(Value), index: ModifyIndex }]),
    );
  }

  async keys(prefix: string): Promise<readonly string[]> {
    const keys = await this.#ask(`list ${prefix}`, (consul, common) =>
      consul.kv.keys({ key: prefix, consistent: true, ...common } as { key: string }).catch(missingKeys),
    );
    return (keys as readonly string[] | undefined) ?? [];
  }

  /** Keys below the prefix, each with Consul's index of its last change. */
  async indexes(prefix: string): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#ask(`list ${prefix}`, (consul, common) =>
      consul.kv.get({ key: prefix, recurse: true, ...common }),
    );
    return new Map(
      ((rows ?? []) as unknown as readonly Row[]).map(({ Key, ModifyIndex }) => [Key, ModifyIndex]),
    );
  }

  /** Resolves when the key may have changed since the index, or after a while. */
  async blockOn(
    key: string,
    index: string,
    signal: AbortSignal,
  ): Promise<{ readonly index: string; readonly value?: string }> {
    const cancel = Object.assign(new EventEmitter(), { includeResponse: true });
    const onAbort = () => cancel.emit("cancel");
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const wait = `${this.#limits.waitMs}ms`;
      const options = { key, ctx: cancel, timeout: this.#limits.waitMs * 1.1 + 1000, index, wait };
      const answer = (await this.#ask(
        `wait for ${key}`,
        async (consul) => consul.kv.get(options).catch(missing),
        signal,
      )) as unknown as readonly [{ headers: Record<string, string> }, Row | undefined];
      const value = answer[1]?.Value;
      const reached = answer[0].headers["x-consul-index"] ?? "0";
      return { index: reached, ...(typeof value === "string" && { value }) };
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** Makes the key unless it is there. */
  async create(key: string, value: string): Promise<boolean> {
    return (await this.#put({ key, value, cas: 0 })) === true;
  }

  /** Makes the key unless it is there, or the guard has changed since its index (absent: since it was not there). */
  async createGuarded(
    key: string,
    value: string,
    guard: { readonly key: string; readonly index: number | undefined },
  ): Promise<boolean> {
    const check =
      guard.index === undefined
        ? { Verb: "check-not-exists", Key: guard.key }
        : { Verb: "check-index", Key: guard.key, Index: guard.index };
    const put = { Verb: "cas", Key: key, Index: 0, Value: Buffer.from(value).toString("base64") };
    const { Results: results } = await this.#txn("append to the log", [check, put]);
    return results !== undefined;
  }

  /** Replaces what was read before. */
  async replace(key: string, value: string, index: number | undefined): Promise<boolean> {
    return (await this.#put({ key, value, cas: index ?? 0 })) === true;
  }

  async set(key: string, value: string): Promise<void> {
    await this.#put({ key, value });
  }

  async delete(keys: readonly string[]): Promise<void> {
    const operations = keys.map((key) => ({ Verb: "delete", Key: key }));
    for (let start = 0; start < operations.length; start += operationsMax)
      await this.#txn("trim the log", operations.slice(start, start + operationsMax));
  }

  /** Gives the value to those of the keys that are there, and answers which these are. */
  async rewrite(keys: readonly string[], value: string): Promise<ReadonlySet<string>> {
    const Value = Buffer.from(value).toString("base64");
    return this.#each("renew leases", keys, (Key) => [
      // Fails where there is no key.
      { Verb: "get", Key },
      { Verb: "set", Key, Value },
    ]);
  }

  /** Deletes those of the keys that have not changed since the index; answers which these are. */
  async deleteUnchanged(keys: ReadonlyMap<string, number>): Promise<ReadonlySet<string>> {
    return this.#each("end leases", [...keys.keys()], (Key) => [
      { Verb: "delete-cas", Key, Index: keys.get(Key) },
    ]);
  }

  close(): void {
    this.#ending.abort();
    for (const client of this.#clients) (client as Consul & { destroy(): void }).destroy();
  }

  #put(options: { key: string; value: string; cas?: number }): Promise<unknown> {
    return this.#ask(`write ${options.key}`, (consul, common) => consul.kv.set({ ...options, ...common }));
  }

  /** Does each key's operations, without the keys that Consul refuses; answers for which keys they were done. */
  async #each(
    action: string,
    keys: readonly string[],
    operationsOf: (key: string) => readonly object[],
  ): Promise<ReadonlySet<string>> {
    const done = new Set<string>();
    let left = keys;
    while (left.length > 0) {
      const perKey = operationsOf(left[0] as string).length;
      const group = left.slice(0, Math.floor(operationsMax / perKey));
      const { Results: results, Errors: errors } = await this.#txn(action, group.flatMap(operationsOf));
      const refused = new Set(errors?.map(({ OpIndex }) => group[Math.floor(OpIndex / perKey)]));
      if (results === undefined && !group.some((key) => refused.has(key))) throw notApplied(action);
      if (refused.size === 0) for (const key of group) done.add(key);
      left = left.filter((key) => !refused.has(key) && !done.has(key));
    }
    return done;
  }

  /** Without results when it did not apply. */
  #txn(action: string, operations: readonly object[], options: object = {}): Promise<Results> {
    const body = operations.map((operation) => ({ KV: operation }));
    return this.#ask(action, async (consul, common) => {
      const conflict = (error: Failure): Results => {
        if (error.response?.statusCode === 409) return { Errors: errorsOf(error.response.body) };
        throw error;
      };
      const answer = consul.transaction.create(body as never, { ...options, ...common } as never);
      return (await answer.catch(conflict)) as Results;
    });
  }

  /** Each address once. @throws STORE_UNAVAILABLE, STORE_DENIED */
  async #ask<Result>(action: string, use: Use<Result>, signal?: AbortSignal): Promise<Result> {
    let last: Failure | undefined;
    for (let tried = 0; tried < this.#clients.length; tried++) {
      const client = this.#clients[this.#first] as Consul;
      try {
        return await use(client, { timeout: this.#limits.attemptTimeoutMs });
      } catch (error) {
        last = error as Failure;
        if (last.response?.statusCode === 403) {
          throw new FabricError(
            "STORE_DENIED",
            `${action} of Consul: ${String(last.response.body)}; grant the token of --store-secret the prefix`,
            { cause: last },
          );
        }
        if (signal?.aborted) break;
        this.#first = (this.#first + 1) % this.#clients.length;
      }
    }
    throw new FabricError(
      "STORE_UNAVAILABLE",
      `${action} of Consul: ${last?.message ?? "no answer"}; check its agents and the way to them`,
      { cause: last },
    );
  }
}

function decodeValue(value: string | null): string {
  return Buffer.from(value ?? "", "base64").toString();
}

function errorsOf(body: unknown): NonNullable<Results["Errors"]> {
  return (typeof body === "object" ? (body as Results | null)?.Errors : undefined) ?? [];
}

function notApplied(action: string): FabricError {
  return new FabricError(
    "STORE_UNAVAILABLE",
    `${action} of Consul: it refused without a reason; check its log`,
  );
}

/** A key that is not there has an index as well. */
function missing(error: Failure): never {
  if (error.response?.statusCode === 404) return [error.response, undefined] as never;
  throw error;
}

function missingKeys(error: Failure): string[] {
  if (error.response?.statusCode === 404) return [];
  throw error;
}

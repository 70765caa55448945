/**
 * What the store asks of Consul, by the npm client: keys with check-and-set, blocking queries, sessions. Requests go
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
      consul.kv.keys({ key: prefix, consistent: true, ...common } as { key: string }).catch(notFound([])),
    );
    return (keys as readonly string[] | undefined) ?? [];
  }

  /** Resolves when something below the prefix may have changed since the index, or after a while. */
  async blockOn(
    what: { readonly key: string; readonly isPrefix: boolean; readonly index: string },
    signal: AbortSignal,
  ): Promise<{ readonly index: string; readonly value?: string }> {
    const { key, isPrefix, index } = what;
    const cancel = Object.assign(new EventEmitter(), { includeResponse: true });
    const onAbort = () => cancel.emit("cancel");
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      const wait = `${this.#limits.waitMs}ms`;
      const options = { key, ctx: cancel, timeout: this.#limits.waitMs * 1.1 + 1000, index, wait };
      const answer = (await this.#ask(
        `wait for ${key}`,
        async (consul) => (isPrefix ? consul.kv.keys(options) : consul.kv.get(options)).catch(missing),
        signal,
      )) as unknown as readonly [{ headers: Record<string, string> }, Row | undefined];
      const value = isPrefix ? undefined : answer[1]?.Value;
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

  /** Puts it under the session. */
  async acquire(key: string, value: string, session: string): Promise<boolean> {
    return (await this.#put({ key, value, acquire: session })) === true;
  }

  async set(key: string, value: string): Promise<void> {
    await this.#put({ key, value });
  }

  async delete(keys: readonly string[]): Promise<void> {
    const operations = keys.map((key) => ({ Verb: "delete", Key: key }));
    for (let start = 0; start < operations.length; start += operationsMax)
      await this.#txn("trim the log", operations.slice(start, start + operationsMax));
  }

  async createSession(ttlMs: number): Promise<string> {
    const { ID } = await this.#ask("create a session", (consul, common) =>
      consul.session.create({
        name: "heddle lease",
        ttl: `${Math.ceil(ttlMs / 1000)}s`,
        behavior: "delete",
        // Else Consul refuses the next lock of the key for 15 s; and a lease depends on no check.
        lockdelay: "0s",
        checks: [],
        ...common,
      }),
    );
    return ID;
  }

  /** False when it has ended. */
  async renewSession(id: string): Promise<boolean> {
    const renewed = this.#ask("renew a session", async (consul, common) =>
      consul.session.renew({ id, ...common }).then(() => true, notFound(false)),
    );
    return renewed as Promise<boolean>;
  }

  async destroySession(id: string): Promise<void> {
    await this.#ask("end a session", (consul, common) =>
      consul.session.destroy({ id, ...common }).catch(notFound(true)),
    );
  }

  close(): void {
    this.#ending.abort();
    for (const client of this.#clients) (client as Consul & { destroy(): void }).destroy();
  }

  #put(options: { key: string; value: string; cas?: number; acquire?: string }): Promise<unknown> {
    return this.#ask(`write ${options.key}`, (consul, common) => consul.kv.set({ ...options, ...common }));
  }

  /** Without results when it did not apply. */
  #txn(action: string, operations: readonly object[], options: object = {}): Promise<Results> {
    const body = operations.map((operation) => ({ KV: operation }));
    return this.#ask(action, async (consul, common) => {
      const conflict = (error: Failure): Results => {
        if (error.response?.statusCode === 409) return {};
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
            `${action} of Consul: ${String(last.response.body)}; grant the token of --store-secret the prefix and sessions`,
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

function notFound<Result>(instead: Result): (error: Failure) => Result {
  return (error) => {
    if (error.response?.statusCode === 404) return instead;
    throw error;
  };
}

/** A key that is not there has an index as well. */
function missing(error: Failure): never {
  if (error.response?.statusCode === 404) return [error.response, undefined] as never;
  throw error;
}

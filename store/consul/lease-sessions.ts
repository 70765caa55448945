/**
 * Leases as sessions of Consul: a session holds a key that Consul deletes when the session's time is over. Whoever sees
 * a lease of the state without its key appends the lease's end.
 *
 * Always holds: the key is there before the lease is in the log, and a lease is ended only after a consistent read
 * that began later than the lease was seen. Consul ends a session between one and two times its TTL after the last
 * renewal.
 */
import type { LogTailOptions } from "./log-tail.ts";

export interface LeaseSessionsOptions extends LogTailOptions {
  end(lease: string): Promise<void>;
}

export class LeaseSessions {
  readonly #options: LeaseSessionsOptions;
  readonly #ending = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: LeaseSessionsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  /** Answers the id. */
  async open(ttlMs: number): Promise<string> {
    const { api, keys } = this.#options;
    const id = await api.createSession(ttlMs);
    await api.acquire(keys.lease(id), "", id);
    return id;
  }

  renew(id: string): Promise<boolean> {
    return isId(id) ? this.#options.api.renewSession(id) : Promise.resolve(false);
  }

  async destroy(id: string): Promise<void> {
    if (isId(id)) await this.#options.api.destroySession(id);
  }

  async #run(): Promise<void> {
    const { api, keys, clock, limits } = this.#options;
    const { signal } = this.#ending;
    let waitMs = limits.retryMinMs;
    let index = "0";
    while (!signal.aborted) {
      try {
        const next = await api.blockOn({ key: keys.leases, isPrefix: true, index }, signal);
        index = Number(next.index) < Number(index) ? "0" : next.index;
        await this.#endThoseWithoutKey();
        waitMs = limits.retryMinMs;
      } catch {
        await clock.sleep(waitMs, signal).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, limits.retryMaxMs);
      }
    }
  }

  async #endThoseWithoutKey(): Promise<void> {
    const { api, keys, replica, end } = this.#options;
    const leases = replica.held.state.leases.prefix("");
    if (leases.length === 0) return;
    const held = new Set(await api.keys(keys.leases));
    const ended = leases.filter(({ id }) => !held.has(keys.lease(id)));
    // Another server may have been faster meanwhile.
    const left = ended.filter(({ id }) => replica.held.state.leases.get(id));
    await Promise.all(left.map(({ id }) => end(id)));
  }
}

/** Of a session; Consul takes no other for one. */
function isId(id: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
}

/**
 * Rights on an agent without a server of its own: what its servers say, asked once a token and kept for a while. Those
 * of the agent's own token (or of the anonymous one), which DNS and requests without a token go by, are followed.
 *
 * Always holds: while no server answers, what was last known counts, over a restart too (Consul's down policy
 * `extend-cache`); a token that was never seen is refused then. An agent that never met a server does not know whether
 * tokens are looked at, and tells nothing.
 */
import type { ApiHandler, ApiResponse, RightsAnswer } from "../../api/index.ts";
import type { Clock } from "../../clock/index.ts";
import { FabricError, isFabricError } from "../../errors/index.ts";
import { allRights, Rights } from "../../registry/index.ts";
import type { Store } from "../../store/index.ts";
import { readJson, writeJson } from "../node/agent-journal.ts";

/** As Consul's `acl_token_ttl`. */
export const tokenTtlMs = 30_000;
/** Tokens whose rights an agent keeps. */
export const agentTokensMax = 1024;

const journalKey = "acl-rights";
const [retryMinMs, retryMaxMs] = [250, 5000];
const firstAnswerMs = 2000;
const path = "/v1/heddle/acl/rights";

export interface NodeRightsOptions {
  readonly ask: ApiHandler;
  /** Told when a server is reached: what it says may be new. Returns the unsubscription. */
  onConnected(listener: () => void): () => void;
  readonly clock: Clock;
  readonly journal: Store;
  /** "" for the anonymous one. */
  readonly ownToken: string;
  readonly log: (error: unknown) => void;
}

interface Held {
  readonly rights: Rights;
  readonly atMs: number;
}

export class NodeRights {
  readonly #options: NodeRightsOptions;
  readonly #held = new Map<string, Held>();
  readonly #ending = new AbortController();
  readonly #listeners = new Set<() => void>();
  readonly #known = Promise.withResolvers<void>();
  #own: Rights | undefined;

  static async open(options: NodeRightsOptions): Promise<NodeRights> {
    const rights = new NodeRights(options);
    const answer = await readJson<RightsAnswer>(options.journal, journalKey);
    if (answer) rights.#set(answer);
    return rights;
  }

  private constructor(options: NodeRightsOptions) {
    this.#options = options;
  }

  /** Of the agent itself. While nothing is known: a promise, which rejects with API_NO_SERVER. */
  get own(): Rights | Promise<Rights> {
    return this.#own ?? this.#first(this.#options.ownToken);
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** @throws REGISTRY_TOKEN_UNKNOWN, API_NO_SERVER when it cannot be found out */
  of(secret: string): Rights | Promise<Rights> {
    if (this.#own === allRights) return allRights;
    const { ownToken, clock } = this.#options;
    if (secret === "" || secret === ownToken) return this.#own ?? this.#first(secret);
    const held = this.#held.get(secret);
    return held && clock.monotonicMs() - held.atMs < tokenTtlMs ? held.rights : this.#ask(secret, held);
  }

  /** Until it is closed; never rejects. */
  async follow(): Promise<void> {
    const { signal } = this.#ending;
    const { ownToken, log } = this.#options;
    let [index, retryMs] = [0, retryMinMs];
    while (!signal.aborted) {
      try {
        const response = await this.#request(ownToken, index === 0 ? "" : `?index=${index}&wait=5m`, signal);
        if (response.status !== 200 && response.status !== 403) throw unexpected(response);
        const answer = response.status === 200 ? parse(response) : refusing;
        index = response.status === 200 ? Number(response.headers["x-consul-index"] ?? 0) : 0;
        this.#set(answer);
        await writeJson(this.#options.journal, journalKey, answer);
        if (index > 0) {
          retryMs = retryMinMs;
          continue;
        }
      } catch (error) {
        index = 0;
        if (!isFabricError(error, "CONTROL_UNAVAILABLE") && !signal.aborted) log(error);
      }
      await this.#pause(retryMs);
      retryMs = Math.min(retryMs * 2, retryMaxMs);
    }
  }

  /** So long, or until a server is reached. */
  async #pause(ms: number): Promise<void> {
    const over = new AbortController();
    const stop = this.#options.onConnected(() => over.abort());
    const until = AbortSignal.any([over.signal, this.#ending.signal]);
    await this.#options.clock.sleep(ms, until).catch(() => undefined);
    stop();
  }

  close(): void {
    this.#ending.abort();
  }

  async #first(secret: string): Promise<Rights> {
    const giveUp = new AbortController();
    await Promise.race([this.#known.promise, this.#options.clock.sleep(firstAnswerMs, giveUp.signal)]);
    giveUp.abort();
    if (this.#own) return this.of(secret);
    throw unknownYet();
  }

  async #ask(secret: string, held: Held | undefined): Promise<Rights> {
    let response: ApiResponse;
    try {
      response = await this.#request(secret, "", AbortSignal.timeout(firstAnswerMs));
      if (response.status !== 200 && response.status !== 403) throw unexpected(response);
    } catch {
      if (held) return held.rights;
      throw unknownYet();
    }
    this.#held.delete(secret);
    if (response.status === 403)
      throw new FabricError("REGISTRY_TOKEN_UNKNOWN", "ACL not found: no token has this secret");
    const rights = rightsOf(parse(response));
    if (this.#held.size >= agentTokensMax) {
      const [oldest = ""] = this.#held.keys();
      this.#held.delete(oldest);
    }
    this.#held.set(secret, { rights, atMs: this.#options.clock.monotonicMs() });
    return rights;
  }

  #request(secret: string, query: string, signal: AbortSignal): Promise<ApiResponse> {
    const headers = secret === "" ? {} : { "x-consul-token": secret };
    return this.#options.ask({
      method: "GET",
      target: path + query,
      headers,
      body: new Uint8Array(0),
      signal,
    });
  }

  /** A change of any token may be one of a token that is kept. */
  #set(answer: RightsAnswer): void {
    this.#own = rightsOf(answer);
    this.#known.resolve();
    for (const [secret, held] of this.#held)
      this.#held.set(secret, { ...held, atMs: Number.NEGATIVE_INFINITY });
    for (const listener of this.#listeners) listener();
  }
}

/** Of an own token that is not, or no longer, there. */
const refusing: RightsAnswer = { enabled: true, accessor: "", defaultAccess: "deny", rules: [] };

function rightsOf({ enabled, accessor, defaultAccess, rules }: RightsAnswer): Rights {
  return enabled ? new Rights({ accessor, defaultAccess, rules }) : allRights;
}

function parse({ body }: ApiResponse): RightsAnswer {
  return JSON.parse(Buffer.from(body as string | Uint8Array).toString()) as RightsAnswer;
}

function unexpected({ status }: ApiResponse): FabricError {
  return new FabricError("CONTROL_PROTOCOL", `ask a server for rights: it answered ${status}; see its log`, {
    details: { status },
  });
}

function unknownYet(): FabricError {
  return new FabricError(
    "API_NO_SERVER",
    "no server tells this node what the token allows; see `heddle status`, and try again",
  );
}

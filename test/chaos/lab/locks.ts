/**
 * Clients that lock by session, write under the lock by a transaction that asks for it, and let go. Sessions are bound to
 * their node's health alone (no TTL) and locks have no delay: the next one gets a lost lock at once, which is the hardest.
 */
import * as z from "zod";
import type { ApiClient } from "../../../api/index.ts";
import type { Random } from "../../fuzz/mutate.ts";
import type { FencedWrite, Hold } from "../fenced-locks.ts";
import { attempt, type Outcome, type Tally } from "./keys.ts";
import { nowMs, wait } from "./wait.ts";

const created = z.object({ ID: z.string() });
const held = z.array(z.object({ Session: z.string().optional(), LockIndex: z.int() })).min(1);

export class Locks {
  readonly holds: Hold[] = [];
  readonly writes: FencedWrite[] = [];
  readonly #tally: Tally;
  readonly #locks: number;
  #ending = false;

  constructor(tally: Tally, locks: number) {
    this.#tally = tally;
    this.#locks = locks;
  }

  end(): void {
    this.#ending = true;
  }

  async client(api: ApiClient, random: Random): Promise<void> {
    while (!this.#ending) {
      const answer = await this.#send(api, "session", "PUT", "/v1/session/create", {
        LockDelay: "0s",
        Behavior: "release",
      });
      if (answer === undefined) {
        await wait(200 + random(200));
        continue;
      }
      const session = created.parse(JSON.parse(answer)).ID;
      await this.#turns(api, `lock/${random(this.#locks)}`, session, random);
      // Whatever became of it, nobody waits for it for ever.
      while ((await this.#send(api, "destroy", "PUT", `/v1/session/destroy/${session}`)) === undefined) {
        if (this.#ending) return;
        await wait(200);
      }
    }
  }

  /** Tries for the lock some times; when it has it, writes and lets go. */
  async #turns(api: ApiClient, lock: string, session: string, random: Random): Promise<void> {
    for (let turn = 0; turn < 10 && !this.#ending; turn++) {
      const acquireInvokedMs = performance.now();
      const acquired = await this.#send(api, "acquire", "PUT", `/v1/kv/${lock}?acquire=${session}`);
      if (acquired === undefined) return;
      if (acquired === "true") return this.#hold(api, { lock, session, acquireInvokedMs }, random);
      await wait(20 + random(100));
    }
  }

  async #hold(
    api: ApiClient,
    hold: Pick<Hold, "lock" | "session" | "acquireInvokedMs">,
    random: Random,
  ): Promise<void> {
    const { lock, session } = hold;
    const read = await this.#send(api, "read lock", "GET", `/v1/kv/${lock}?consistent`);
    if (read === undefined) return;
    const [entry] = held.parse(JSON.parse(read));
    // Lost already: the node was taken for dead in between.
    if (entry?.Session !== session) return;
    const [fence, acquiredMs] = [entry.LockIndex, performance.now()];
    for (let write = random(4); write > 0; write--) {
      const invokedMs = performance.now();
      const operations = [
        { KV: { Verb: "check-session", Key: lock, Session: session } },
        { KV: { Verb: "set", Key: `under-${lock}`, Value: Buffer.from(`${fence}`).toString("base64") } },
      ];
      const done = await this.#send(api, "fenced write", "PUT", "/v1/txn", operations);
      if (done !== undefined)
        this.writes.push({ lock, session, fence, invokedMs, returnedMs: performance.now() });
      await wait(random(80));
    }
    const releaseMs = performance.now();
    const released = await this.#send(api, "release", "PUT", `/v1/kv/${lock}?release=${session}`);
    this.holds.push({ ...hold, fence, acquiredMs, releasedMs: released === "true" ? releaseMs : undefined });
  }

  /** The answer of one that surely happened. */
  async #send(
    api: ApiClient,
    kind: string,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<string | undefined> {
    const data = body === undefined ? undefined : JSON.stringify(body);
    const invokedMs = nowMs();
    const answer = await attempt(() => api.exchange(method, path, data));
    const outcome: Outcome = typeof answer === "string" ? answer : answer.status === 200 ? "ok" : "fail";
    this.#tally.add(kind, outcome, invokedMs);
    return typeof answer !== "string" && answer.status === 200 ? answer.body.toString() : undefined;
  }
}

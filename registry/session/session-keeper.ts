/**
 * Ends the sessions whose time is over, whose node is gone or whose checks failed, and finishes those that were
 * ending when a server stopped. Runs on one server of a store at a time (daemon/servers/singletons.ts); ending twice does no harm.
 *
 * Always holds: at most `endsInFlightMax` sessions are ended at a time (they share the store's commits), each
 * once; one that cannot be ended now is tried again after `retryMs`.
 */
import type { Clock, Timer } from "../../clock/index.ts";
import type { RegistryReads } from "../reads.ts";
import type { RegistryWrites } from "../writes.ts";
import { whyInvalid } from "./plan-session.ts";

export const endsInFlightMax = 64;
const retryMs = 1000;

export interface SessionKeeperOptions {
  readonly registry: RegistryReads;
  readonly writer: Pick<RegistryWrites, "endSession">;
  readonly clock: Clock;
  /** Told when a session could not be ended; it is tried again. */
  readonly onFailure: (error: unknown) => void;
}

export class SessionKeeper {
  readonly #options: SessionKeeperOptions;
  readonly #due = new Set<string>();
  readonly #ending = new Map<string, Promise<void>>();
  readonly #unsubscribe: () => void;
  #retry: Timer | undefined;
  #closed = false;

  constructor(options: SessionKeeperOptions) {
    this.#options = options;
    this.#unsubscribe = options.registry.onChange(({ topics }) => this.#changed(topics));
    this.#lookAtAll();
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    this.#retry?.cancel();
    await Promise.all(this.#ending.values());
  }

  #changed(topics: ReadonlySet<string>): void {
    const { registry } = this.#options;
    for (const topic of topics) {
      const [kind, subject] = split(topic);
      if (kind === "sessionEnd") this.#look(subject);
      else if (kind === "nodeChecks") for (const { id } of registry.sessionsOfNode(subject)) this.#look(id);
    }
    this.#pump();
  }

  #lookAtAll(): void {
    for (const { id } of this.#options.registry.sessions()) this.#look(id);
    this.#pump();
  }

  #look(id: string): void {
    const { registry } = this.#options;
    const session = registry.session(id);
    if (!session) return;
    const outOfTime = session.lease !== undefined && !registry.sessionHasTime(id);
    if (session.ending || outOfTime || whyInvalid(registry, session) !== undefined) this.#due.add(id);
  }

  #pump(): void {
    for (const id of this.#due) {
      if (this.#closed || this.#ending.size >= endsInFlightMax) return;
      this.#due.delete(id);
      if (!this.#ending.has(id)) this.#ending.set(id, this.#end(id));
    }
  }

  async #end(id: string): Promise<void> {
    try {
      await this.#options.writer.endSession(id);
    } catch (error) {
      if (this.#closed) return;
      this.#options.onFailure(error);
      this.#retry ??= this.#options.clock.setTimer(retryMs, () => {
        this.#retry = undefined;
        this.#lookAtAll();
      });
    } finally {
      this.#ending.delete(id);
      this.#pump();
    }
  }
}

function split(topic: string): readonly [kind: string, subject: string] {
  const colon = topic.indexOf(":");
  return [topic.slice(0, Math.max(colon, 0)), topic.slice(colon + 1)];
}

/**
 * Ends what has come to its end: keys, sessions. Each is looked at once at the start, for what a server that died left,
 * and again whenever something moved that its end may hang on. Runs on one server of a store at a time
 * (daemon/servers/singletons.ts); ending twice does no harm.
 *
 * Always holds: at most `endsInFlightMax` ends of a keeper are under way (they share the store's commits), one for
 * each subject; what cannot be ended now is tried again after `retryMs`.
 */
import type { Clock, Timer } from "../clock/index.ts";
import type { RegistryReads } from "./reads.ts";

export const endsInFlightMax = 64;
const retryMs = 1000;

export interface KeeperOptions<Writer> {
  readonly registry: RegistryReads;
  readonly writer: Writer;
  readonly clock: Clock;
  /** Told when something could not be ended; it is tried again. */
  readonly onFailure: (error: unknown) => void;
}

/** A kind of things that end, by id. */
export interface Ending {
  all(): Iterable<string>;
  /** Those whose end may hang on a topic that moved (`topicKey`). */
  touchedBy(topic: string): Iterable<string>;
  isDue(id: string): boolean;
  end(id: string): Promise<unknown>;
}

export class Keeper {
  readonly #options: KeeperOptions<unknown>;
  readonly #kind: Ending;
  readonly #due = new Set<string>();
  readonly #ending = new Map<string, Promise<void>>();
  readonly #unsubscribe: () => void;
  #retry: Timer | undefined;
  #closed = false;

  constructor(options: KeeperOptions<unknown>, kind: Ending) {
    this.#options = options;
    this.#kind = kind;
    this.#unsubscribe = options.registry.onChange(({ topics }) => {
      for (const topic of topics) this.#look(kind.touchedBy(topic));
      this.#pump();
    });
    this.#lookAtAll();
  }

  /** Resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    this.#retry?.cancel();
    await Promise.all(this.#ending.values());
  }

  #lookAtAll(): void {
    this.#look(this.#kind.all());
    this.#pump();
  }

  #look(ids: Iterable<string>): void {
    for (const id of ids) if (this.#kind.isDue(id)) this.#due.add(id);
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
      await this.#kind.end(id);
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

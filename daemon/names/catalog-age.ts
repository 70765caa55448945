/**
 * Since when the names that this node holds may be out of date: from the last sign of life of a server that has its store,
 * once none has been heard for `staleAfterMs`. A short loss is not worth telling: the node is another server's in a moment, and gets what
 * it missed; so there is a moment of grace however long the silence was that told of the loss. There is none for what
 * an earlier run left on disk, which may be of any age: it is told as soon as such a name is asked for.
 */
import type { Clock, Timer } from "../../clock/index.ts";

export interface ContactState {
  readonly connected: boolean;
  /** Since a server was last heard; undefined if never. */
  readonly lastContactMs?: number | undefined;
  /** Of the connected server, which has lost its store. */
  readonly storeSilentMs?: number | undefined;
}

/** What is needed of the control client. */
export interface ServerContact {
  readonly state: ContactState;
  onState(listener: (state: ContactState) => void): () => void;
}

/** Of `staleAfterMs`: for finding the next server. */
const graceOfStaleAfter = 1 / 5;

export class CatalogAge {
  readonly #clock: Clock;
  readonly #staleAfterMs: number;
  readonly #onTurn: () => void;
  readonly #unsubscribe: () => void;
  #lastHeardAtMs: number | undefined;
  #stale = false;
  #timer: Timer | undefined;

  /** @param onTurn called after each change of `sinceMs` */
  constructor(contact: ServerContact, clock: Clock, staleAfterMs: number, onTurn: () => void) {
    this.#clock = clock;
    this.#staleAfterMs = staleAfterMs;
    this.#onTurn = onTurn;
    this.#unsubscribe = contact.onState((state) => this.#heed(state));
    this.#heed(contact.state);
  }

  /** Wall time; undefined while names are current. */
  get sinceMs(): number | undefined {
    return this.#stale ? this.#lastHeardAtMs : undefined;
  }

  /** Content of this age answers now. */
  noteAge(ageMs: number): void {
    const fromMs = this.#clock.wallMs() - ageMs;
    if (this.#lastHeardAtMs === undefined || ageMs < this.#staleAfterMs) return;
    if (this.#stale && fromMs >= this.#lastHeardAtMs) return;
    this.#lastHeardAtMs = Math.min(fromMs, this.#lastHeardAtMs);
    this.#tell();
  }

  close(): void {
    this.#unsubscribe();
    this.#timer?.cancel();
  }

  #heed({ connected, lastContactMs = 0, storeSilentMs }: ContactState): void {
    if (!connected) this.#lost(lastContactMs);
    else if (storeSilentMs !== undefined) this.#lost(storeSilentMs);
    else this.#found();
  }

  #lost(silentMs: number): void {
    if (this.#lastHeardAtMs !== undefined) return;
    this.#lastHeardAtMs = this.#clock.wallMs() - silentMs;
    const delayMs = Math.max(this.#staleAfterMs - silentMs, this.#staleAfterMs * graceOfStaleAfter);
    this.#timer = this.#clock.setTimer(delayMs, () => this.#tell());
  }

  #tell(): void {
    this.#timer?.cancel();
    this.#stale = true;
    this.#onTurn();
  }

  #found(): void {
    this.#timer?.cancel();
    this.#lastHeardAtMs = undefined;
    if (!this.#stale) return;
    this.#stale = false;
    this.#onTurn();
  }
}

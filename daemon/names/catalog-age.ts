/**
 * Since when the names that this node holds may be out of date: from the moment a server was lost, once none has
 * been back for `staleAfterMs`, or older, when what answers was left on disk by an earlier run. A short loss is not
 * worth telling: the node is another server's in a moment, and gets what it missed.
 */
import type { Clock, Timer } from "../../clock/index.ts";

/** What is needed of the control client. */
export interface ServerContact {
  readonly state: { readonly connected: boolean };
  onState(listener: (state: { readonly connected: boolean }) => void): () => void;
}

export class CatalogAge {
  readonly #clock: Clock;
  readonly #staleAfterMs: number;
  readonly #onTurn: () => void;
  readonly #unsubscribe: () => void;
  #lostAtMs: number | undefined;
  #stale = false;
  #timer: Timer | undefined;

  /** @param onTurn called after each change of `sinceMs` */
  constructor(contact: ServerContact, clock: Clock, staleAfterMs: number, onTurn: () => void) {
    this.#clock = clock;
    this.#staleAfterMs = staleAfterMs;
    this.#onTurn = onTurn;
    this.#unsubscribe = contact.onState(({ connected }) => (connected ? this.#found() : this.#lost()));
    if (!contact.state.connected) this.#lost();
  }

  /** Wall time; undefined while names are current. */
  get sinceMs(): number | undefined {
    return this.#stale ? this.#lostAtMs : undefined;
  }

  /** Content of this age answers now. */
  noteAge(ageMs: number): void {
    const fromMs = this.#clock.wallMs() - ageMs;
    if (this.#lostAtMs === undefined || fromMs >= this.#lostAtMs - this.#staleAfterMs) return;
    this.#lostAtMs = fromMs;
    if (this.#stale) this.#onTurn();
  }

  close(): void {
    this.#unsubscribe();
    this.#timer?.cancel();
  }

  #lost(): void {
    if (this.#lostAtMs !== undefined) return;
    this.#lostAtMs = this.#clock.wallMs();
    this.#timer = this.#clock.setTimer(this.#staleAfterMs, () => {
      this.#stale = true;
      this.#onTurn();
    });
  }

  #found(): void {
    this.#timer?.cancel();
    this.#lostAtMs = undefined;
    if (!this.#stale) return;
    this.#stale = false;
    this.#onTurn();
  }
}

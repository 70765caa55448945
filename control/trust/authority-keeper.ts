/** Takes a rotation of the authority through its steps, and forgets nodes that may not come back. One server does it for all. */
import type { Clock, Timer } from "../../clock/index.ts";
import { type RotationStep, stepOf } from "./authority-state.ts";
import type { TrustBook } from "./trust-book.ts";

export interface AuthorityKeeperOptions {
  readonly book: TrustBook;
  readonly clock: Clock;
  readonly onStep: (step: RotationStep) => void;
  readonly onFailure: (error: unknown) => void;
}

const lookEveryMs = 5000;
const dropEveryLooks = 720;

export class AuthorityKeeper {
  readonly #options: AuthorityKeeperOptions;
  #timer: Timer | undefined;
  #looks = 0;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: AuthorityKeeperOptions) {
    this.#options = options;
    this.#arm();
  }

  async close(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#looking;
  }

  #arm(): void {
    this.#timer = this.#options.clock.setTimer(lookEveryMs, () => {
      this.#looking = this.#look()
        .catch(this.#options.onFailure)
        .finally(() => this.#timer && this.#arm());
    });
  }

  async #look(): Promise<void> {
    const { book, onStep } = this.#options;
    const after = await book.authorities.advance();
    if (after) onStep(stepOf(after));
    if (this.#looks++ % dropEveryLooks === 0) await book.dropEnded();
  }
}

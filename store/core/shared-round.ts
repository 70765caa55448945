/**
 * One question to the engine for all who ask at a time: who asks while a round is under way shares the next one, as
 * etcd's own ReadIndex does.
 *
 * Always holds: an answer is of a round that began after its caller asked, so it is as linearizable as a question of his
 * own. One round is under way at a time: alone a caller waits for one, in a crowd for less than two.
 */
export class SharedRound<Answer> {
  readonly #ask: () => Promise<Answer>;
  #running: Promise<unknown> = Promise.resolve();
  #next: Promise<Answer> | undefined;

  constructor(ask: () => Promise<Answer>) {
    this.#ask = ask;
  }

  join(): Promise<Answer> {
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      const round = this.#ask();
      // The next round follows a failed one as well.
      this.#running = round.catch(() => undefined);
      return round;
    });
    return this.#next;
  }
}

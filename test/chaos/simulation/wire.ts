/**
 * A connection between two processes, as TCP is one: each direction in order, and over for both when a message meets
 * a cut link or a process dies.
 */
import type { Life } from "./life.ts";
import type { World } from "./world.ts";

interface Message {
  readonly label: string;
  readonly deliver: () => void;
}

export class Wire {
  readonly #world: World;
  readonly #closers: (() => void)[] = [];
  readonly #queues = new Map<Life, Message[]>();
  readonly #ends = new Map<Life, Life>();
  #isOpen = true;

  constructor(world: World, near: Life, far: Life) {
    this.#world = world;
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#queues.set(from, []);
      void from.ended.then(() => this.close());
      this.#ends.set(from, to);
    }
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  send(from: Life, label: string, deliver: () => void): void {
    const queue = this.#queues.get(from);
    if (!this.#isOpen || !queue) return;
    queue.push({ label, deliver });
    if (queue.length === 1) this.#world.start(this.#carry(from, queue));
  }

  /** Called once, at the end of the connection. */
  onClose(closer: () => void): void {
    if (this.#isOpen) this.#closers.push(closer);
    else closer();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const queue of this.#queues.values()) queue.length = 0;
    for (const closer of this.#closers) closer();
  }

  async #carry(from: Life, queue: Message[]): Promise<void> {
    const to = this.#ends.get(from);
    if (!to) return;
    const { scheduler, network } = this.#world;
    for (let [message] = queue; message && this.#isOpen; [message] = queue) {
      await scheduler.point(from, `⇒ ${to.machine.name} ${message.label}`);
      if (!this.#isOpen) return;
      if (network.isCut(from.machine.name, to.machine.name)) return this.close();
      queue.shift();
      message.deliver();
    }
  }
}

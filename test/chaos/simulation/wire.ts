/**
 * A connection between two processes, as TCP is one: each direction in order, no message lost or twice. What meets a
 * cut link waits until the link is there again, as it is sent again and again, and nobody is told; what comes to a
 * frozen process waits in its kernel. Who closes, or dies, ends it for the other side by a last message; a machine
 * without power says nothing, and the other side learns of it when it sends to what is another process by then.
 */
import type { Life } from "./life.ts";
import type { World } from "./world.ts";

interface Message {
  readonly label: string;
  readonly deliver: () => void;
}

/** One end: what it sends, and what it does when it learns that the connection is over. */
interface End {
  readonly life: Life;
  readonly queue: Message[];
  readonly closers: (() => void)[];
  isOpen: boolean;
}

export class Wire {
  readonly #world: World;
  readonly #ends: readonly [End, End];

  constructor(world: World, near: Life, far: Life) {
    this.#world = world;
    const end = (life: Life): End => ({ life, queue: [], closers: [], isOpen: true });
    this.#ends = [end(near), end(far)];
    for (const { life } of this.#ends) void life.ended.then(() => this.close(life));
  }

  isOpen(life: Life): boolean {
    return this.#of(life).isOpen;
  }

  send(from: Life, label: string, deliver: () => void): void {
    const end = this.#of(from);
    if (end.isOpen) this.#queue(end, { label, deliver });
  }

  /** Called once, when the end of this process is over. */
  onClose(life: Life, closer: () => void): void {
    const end = this.#of(life);
    if (end.isOpen) end.closers.push(closer);
    else closer();
  }

  /** By this process, which hears nothing of the connection any more. */
  close(life: Life): void {
    const end = this.#of(life);
    if (!end.isOpen) return;
    this.#shut(end);
    if (life.isAlive) {
      this.#queue(end, { label: "end", deliver: () => this.#shut(this.#peer(end)) });
      return;
    }
    end.queue.length = 0;
    if (!life.machine.isOff) this.#world.start(this.#reset(end, this.#peer(end)));
  }

  #shut(end: End): void {
    if (!end.isOpen) return;
    end.isOpen = false;
    for (const closer of end.closers) closer();
  }

  #of(life: Life): End {
    const [near, far] = this.#ends;
    return near.life === life ? near : far;
  }

  #peer(end: End): End {
    const [near, far] = this.#ends;
    return near === end ? far : near;
  }

  #queue(end: End, message: Message): void {
    end.queue.push(message);
    if (end.queue.length === 1) this.#world.start(this.#carry(end));
  }

  async #carry(from: End): Promise<void> {
    const { scheduler, network } = this.#world;
    const to = this.#peer(from);
    const { machine } = to.life;
    for (let [message] = from.queue; message; [message] = from.queue) {
      await scheduler.point(from.life, `⇒ ${machine.name} ${message.label}`);
      await network.passable(from.life.machine.name, machine.name);
      if (!to.life.isAlive) {
        // Without power nobody answers; a process of another life answers that it knows nothing of this.
        await machine.on();
        return this.#reset(to, from);
      }
      await machine.awake();
      from.queue.shift();
      if (to.isOpen) message.deliver();
      else if (from.isOpen) return this.#reset(to, from);
    }
  }

  async #reset(from: End, to: End): Promise<void> {
    const { scheduler, network } = this.#world;
    if (!to.isOpen || !to.life.isAlive) return;
    await scheduler.point(to.life, `⇐ ${from.life.machine.name} reset`);
    await network.passable(from.life.machine.name, to.life.machine.name);
    to.queue.length = 0;
    this.#shut(to);
  }
}

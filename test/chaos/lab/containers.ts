/**
 * Containers that come and go on every host, as a runtime has them: ADD until it is answered, a while of life, DEL until
 * it is answered. What was answered is remembered, and compared with all others that live at that moment: an address
 * belongs to a container from the answer of its ADD until its DEL is called. Every life has an id of its own, and after a
 * DEL that was answered nobody asks for it again: what that left would stay.
 *
 * A host that loses its disk knows none of its containers any more. They are ghosts then: nobody keeps what their ADD
 * answered, but their addresses are nobody else's while this lasts, as the node's blocks of before stay claimed for 24 h.
 */
import type { Random } from "../../fuzz/mutate.ts";
import type { Container } from "../../lab/container.ts";
import type { Host } from "../../lab/host.ts";
import { network, type Rig } from "./rig.ts";
import { wait } from "./wait.ts";

const conf = JSON.stringify({ cniVersion: "1.1.0", name: network, type: "heddle", network });
/** Tries of one ADD or DEL while things are broken, and after they are healed. */
const retryMs = 250;

/** One life of a container: its namespace may have had others. */
interface Life {
  readonly id: string;
  readonly host: Host;
  readonly container: Container;
}

export interface Living extends Life {
  readonly ips: readonly string[];
}

export interface ContainerCounts {
  adds: number;
  addsRefused: number;
  dels: number;
  delsRefused: number;
}

export class Containers {
  readonly counts: ContainerCounts = { adds: 0, addsRefused: 0, dels: 0, delsRefused: 0 };
  /** Two that had one address at a time, one line each. */
  readonly doubled: string[] = [];
  readonly #rig: Rig;
  readonly #living = new Map<string, Living>();
  readonly #ghosts: Living[] = [];
  /** How often each host lost its disk. */
  readonly #losses = new Map<Host, number>();
  /** ADD was called, and no DEL was answered. */
  readonly #open = new Set<Life>();
  #lives = 0;
  #ending = false;

  constructor(rig: Rig) {
    this.#rig = rig;
    rig.onWiped((host) => this.#wiped(host));
  }

  get living(): readonly Living[] {
    return [...this.#living.values()];
  }

  /** Those that a lost disk knew. */
  get ghosts(): number {
    return this.#ghosts.length;
  }

  /** Slots × hosts containers at most, until `end` is called. Those that live then stay. */
  async churn(random: Random, slots: number): Promise<void> {
    const lives = this.#rig.hosts.flatMap((host) =>
      Array.from({ length: slots }, (_, index) => this.#slot(host, host.addContainer(`c${index}`), random)),
    );
    await Promise.all(lives);
  }

  end(): void {
    this.#ending = true;
  }

  /** DEL of every life that is not over, answered. */
  async deleteAll(timeoutMs: number): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    for (const life of this.#open)
      while (!(await this.#del(life)))
        if (performance.now() > endMs) throw new Error(`DEL of ${life.id} was not answered`);
  }

  async #slot(host: Host, container: Container, random: Random): Promise<void> {
    while (!this.#ending) {
      const life = { id: `${container.id}-${this.#lives++}`, host, container };
      while (!(await this.#add(life)) && !this.#ending && random(3) > 0);
      await wait(random(1500));
      // What lives at the end is compared with the leases, so that some do.
      if (this.#ending) return;
      while (!(await this.#del(life))) if (this.#ending) return;
      await wait(random(500));
    }
  }

  async #add(life: Life): Promise<boolean> {
    this.#open.add(life);
    const losses = this.#losses.get(life.host);
    const { status, stdout } = await this.#call("ADD", life);
    if (status !== 0) {
      this.counts.addsRefused++;
      await wait(retryMs);
      return false;
    }
    this.counts.adds++;
    const { ips } = JSON.parse(stdout) as { ips: { address: string }[] };
    const own: Living = { ...life, ips: ips.map(({ address }) => address.replace(/\/\d+$/, "")) };
    for (const [others, whose] of [
      [this.#living.values(), "had it"],
      [this.#ghosts, "has it of a disk that was lost"],
    ] as const)
      for (const other of others)
        for (const ip of other.ips)
          if (other.id !== own.id && own.ips.includes(ip))
            this.doubled.push(`${ip}: ${own.id} got it while ${other.id} ${whose}`);
    // It may have been answered before the disk was lost.
    if (this.#losses.get(life.host) === losses) this.#living.set(own.id, own);
    else this.#ghosts.push(own);
    return true;
  }

  #wiped(host: Host): void {
    this.#losses.set(host, (this.#losses.get(host) ?? 0) + 1);
    for (const living of this.#living.values()) {
      if (living.host !== host) continue;
      this.#living.delete(living.id);
      this.#ghosts.push(living);
    }
  }

  async #del(life: Life): Promise<boolean> {
    this.#living.delete(life.id);
    const { status } = await this.#call("DEL", life);
    if (status === 0) {
      this.counts.dels++;
      this.#open.delete(life);
    } else {
      this.counts.delsRefused++;
      await wait(retryMs);
    }
    return status === 0;
  }

  #call(command: "ADD" | "DEL", { id, host, container: { netns } }: Life) {
    const variables = { CNI_COMMAND: command, CNI_CONTAINERID: id, CNI_NETNS: netns };
    return this.#rig.cni(host).run("heddle", { ...variables, CNI_IFNAME: "eth0" }, conf);
  }
}

/**
 * Containers that come and go on every host, as a runtime has them: ADD until it is answered, a while of life, DEL until
 * it is answered. What was answered is remembered, and compared with all others that live at that moment: an address
 * belongs to a container from the answer of its ADD until its DEL is called.
 */
import type { Random } from "../../fuzz/mutate.ts";
import type { Container } from "../../lab/container.ts";
import type { Host } from "../../lab/host.ts";
import { wait } from "./faults.ts";
import { network, type Rig } from "./rig.ts";

const conf = JSON.stringify({ cniVersion: "1.1.0", name: network, type: "heddle", network });
/** Tries of one ADD or DEL while things are broken, and after they are healed. */
const retryMs = 250;

export interface Living {
  readonly host: Host;
  readonly container: Container;
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
  #ending = false;

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  get living(): readonly Living[] {
    return [...this.#living.values()];
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

  /** DEL of everything, answered; every container once more, whatever is known of it. */
  async deleteAll(timeoutMs: number): Promise<void> {
    const endMs = performance.now() + timeoutMs;
    for (const host of this.#rig.hosts)
      for (const container of host.containers)
        while (!(await this.#del(host, container)))
          if (performance.now() > endMs) throw new Error(`DEL of ${container.id} was not answered`);
  }

  async #slot(host: Host, container: Container, random: Random): Promise<void> {
    while (!this.#ending) {
      if (!(await this.#add(host, container)) && random(3) > 0) continue;
      await wait(random(1500));
      // What lives at the end is compared with the leases, so that some do.
      if (this.#ending) return;
      while (!(await this.#del(host, container))) if (this.#ending) return;
      await wait(random(500));
    }
  }

  async #add(host: Host, container: Container): Promise<boolean> {
    const { status, stdout } = await this.#call("ADD", host, container);
    if (status !== 0) {
      this.counts.addsRefused++;
      await wait(retryMs);
      return false;
    }
    this.counts.adds++;
    const { ips } = JSON.parse(stdout) as { ips: { address: string }[] };
    const own: Living = { host, container, ips: ips.map(({ address }) => address.replace(/\/\d+$/, "")) };
    for (const other of this.#living.values())
      for (const ip of other.ips)
        if (other.container !== container && own.ips.includes(ip))
          this.doubled.push(`${ip}: ${container.id} got it while ${other.container.id} had it`);
    this.#living.set(container.id, own);
    return true;
  }

  async #del(host: Host, container: Container): Promise<boolean> {
    this.#living.delete(container.id);
    const { status } = await this.#call("DEL", host, container);
    if (status === 0) this.counts.dels++;
    else {
      this.counts.delsRefused++;
      await wait(retryMs);
    }
    return status === 0;
  }

  #call(command: "ADD" | "DEL", host: Host, { attachment }: Container) {
    const { containerId, netns } = attachment;
    const variables = { CNI_COMMAND: command, CNI_CONTAINERID: containerId, CNI_NETNS: netns };
    return this.#rig.cni(host).run("heddle", { ...variables, CNI_IFNAME: "eth0" }, conf);
  }
}

/** What must hold at any moment, whatever has just failed. */
import type { Ip } from "../../../addr/index.ts";
import type { AgentNode } from "./agent-node.ts";
import type { ServerProcess } from "./server-process.ts";
import type { World } from "./world.ts";

export class Invariants {
  readonly #world: World;
  readonly #nodes: readonly AgentNode[];
  readonly #serverAt: () => Iterable<ServerProcess>;

  constructor(world: World, nodes: readonly AgentNode[], servers: () => Iterable<ServerProcess>) {
    this.#world = world;
    this.#nodes = nodes;
    this.#serverAt = servers;
  }

  async check(): Promise<void> {
    this.#containers();
    this.#leases();
    await this.#kernels();
    for (const { keys } of this.#serverAt()) keys.check();
  }

  /** No two containers that others reach have one address. */
  #containers(): void {
    const holders = new Map<Ip, string>();
    for (const node of this.#nodes)
      for (const container of node.containers) {
        if (!node.isOnFabric(container)) continue;
        for (const ip of container.ips) {
          const other = holders.get(ip);
          if (other) this.#world.broken(`${ip} is held by container ${container.id} and by ${other}`);
          holders.set(ip, container.id);
        }
      }
  }

  /** Whoever may allocate holds no lease that another one holds who may. */
  #leases(): void {
    const holders = new Map<Ip, string>();
    for (const { process, name, isMember } of this.#nodes) {
      if (!isMember) continue;
      for (const { ip } of process?.dataplane.ipam.leases() ?? []) {
        const other = holders.get(ip);
        if (other) this.#world.broken(`${ip} is leased by ${name} and by ${other}`);
        holders.set(ip, name);
      }
    }
  }

  /** Nor do the kernels of two members of the fabric have a container of the same address. */
  async #kernels(): Promise<void> {
    const holders = new Map<string, string>();
    for (const { host, name, isMember } of this.#nodes) {
      if (!isMember) continue;
      for (const ip of await host.localAddresses()) {
        const other = holders.get(ip);
        if (other) this.#world.broken(`the kernels of ${name} and of ${other} have ${ip}`);
        holders.set(ip, name);
      }
    }
  }
}

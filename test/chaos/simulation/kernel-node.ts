/**
 * One node's kernel: the in-memory twin, brought to the plan of the real overlay out of the agent's `fabric` view. The
 * kernel outlives the agent, which may die in the middle of a plan; it does not outlive the machine.
 */
import { parseCidr, parseVni } from "../../../addr/index.ts";
import { desiredOf, readFabricView } from "../../../daemon/node/fabric-view.ts";
import { type KernelOperation, MemoryKernel } from "../../../kernel/index.ts";
import { observeSysctls } from "../../../overlay/host/sysctls.ts";
import { type NodeDesired, observe, planNode } from "../../../overlay/index.ts";
import { PathCache } from "../../../overlay/observed/path-cache.ts";
import type { Life, Machine } from "./life.ts";
import { identityOf } from "./session-agent.ts";
import type { World } from "./world.ts";

const lookEveryMs = 5000;

export class KernelNode {
  readonly #world: World;
  readonly #machine: Machine;
  readonly #fabric: () => ReadonlyMap<string, unknown> | undefined;
  #kernel: MemoryKernel | undefined;
  #boot = 0;

  constructor(world: World, machine: Machine, fabric: () => ReadonlyMap<string, unknown> | undefined) {
    this.#world = world;
    this.#machine = machine;
    this.#fabric = fabric;
  }

  /** Brings the kernel to the plan, again and again, as long as the process lives. */
  async run(life: Life): Promise<void> {
    if (!this.#kernel || this.#boot !== this.#machine.boot) this.#kernel = await this.#bootUp();
    while (life.isAlive) {
      const operations = await this.plan();
      const half = this.#world.random.below(operations.length + 1);
      if (operations.length > 0) {
        await this.#kernel.apply(operations.slice(0, half));
        await this.#world.scheduler.point(life, "kernel");
        await this.#kernel.apply(operations.slice(half));
      }
      await life.clock.sleep(lookEveryMs);
    }
  }

  /** What is missing; nothing while the agent knows nothing of the fabric. */
  async plan(): Promise<readonly KernelOperation[]> {
    const [kernel, items] = [this.#kernel, this.#fabric()];
    if (!kernel || !items) return [];
    const desired = this.#desired(items);
    const tables = await observe(kernel, desired, new PathCache());
    return planNode(desired, { ...tables, sysctls: await observeSysctls(kernel, desired, tables) });
  }

  /** Our routes to other nodes' prefixes. */
  async routes(): Promise<readonly string[]> {
    const routes = (await this.#kernel?.routes({ table: 254 })) ?? [];
    return routes
      .filter(({ protocol, type }) => protocol === 72 && type === "unicast")
      .map(({ to }) => to)
      .sort();
  }

  #desired(items: ReadonlyMap<string, unknown>): NodeDesired {
    const { name, underlay, vtepMac, vxlanPort, zone } = identityOf(this.#machine);
    return desiredOf(
      readFabricView(items),
      { name, underlay, vtepMac, vxlanPort, zone, vni: parseVni(7272) },
      [],
    );
  }

  async #bootUp(): Promise<MemoryKernel> {
    this.#boot = this.#machine.boot;
    const { clock } = this.#machine;
    const kernel = new MemoryKernel({ clock });
    kernel.addDevice("eth0");
    const [ip] = identityOf(this.#machine).underlay;
    if (ip) await kernel.apply([{ op: "address.put", link: "eth0", ip, prefix: 24 }]);
    const to = parseCidr("0.0.0.0/0");
    const route = { to, type: "unicast", protocol: 3, table: 254, link: "eth0" } as const;
    await kernel.apply([{ op: "route.put", route: { ...route, scope: 253 } }]);
    return kernel;
  }
}

/**
 * Which way the underlay goes to each remote node, asked of the kernel (so that policy routing and VRFs are
 * right) once per address and not once per reconciliation: 10,000 questions are half a second. Forgotten
 * when links, addresses or routes that are not ours change. Holds one entry per underlay address of the
 * desired remotes.
 */
import type { Ip } from "../../addr/index.ts";
import { isFabricError } from "../../errors/index.ts";
import type { Kernel, RoutePath } from "../../kernel/index.ts";
import type { NodeDesired } from "../desired.ts";

export class PathCache {
  #state = "";
  #paths = new Map<Ip, RoutePath | undefined>();
  #remotes: NodeDesired["remotes"] | undefined;
  #answer: ReadonlyMap<Ip, RoutePath> = new Map();

  /**
   * Paths to the underlay addresses of all remotes, the very same map while nothing is new. The cache is dropped
   * when `state` is another than before.
   */
  async paths(
    kernel: Kernel,
    desired: Pick<NodeDesired, "remotes">,
    state: string,
  ): Promise<ReadonlyMap<Ip, RoutePath>> {
    if (state === this.#state && desired.remotes === this.#remotes) return this.#answer;
    const known = state === this.#state ? this.#paths : new Map<Ip, RoutePath | undefined>();
    const next = new Map<Ip, RoutePath | undefined>();
    for (const ip of desired.remotes.flatMap((remote) => remote.underlay)) {
      if (!next.has(ip)) next.set(ip, known.has(ip) ? known.get(ip) : await path(kernel, ip));
    }
    this.#state = state;
    this.#paths = next;
    this.#remotes = desired.remotes;
    this.#answer = new Map([...next].flatMap(([ip, way]) => (way ? [[ip, way] as const] : [])));
    return this.#answer;
  }
}

async function path(kernel: Kernel, ip: Ip): Promise<RoutePath | undefined> {
  try {
    return await kernel.routeTo(ip);
  } catch (error) {
    if (isFabricError(error, "KERNEL_REFUSED")) return undefined;
    throw error;
  }
}

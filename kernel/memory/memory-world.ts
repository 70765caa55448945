/** The namespaces of one imaginary host and the fault that its next operations meet. */
import { FabricError } from "../../errors/index.ts";
import { describeOperation } from "../describe-operation.ts";
import type { NetnsPath } from "../kernel.ts";
import type { KernelOperation } from "../operation.ts";
import { type ErrnoName, refusal } from "../refusal.ts";
import { deleteLink } from "./link-operations.ts";
import { MemoryNamespace } from "./namespace.ts";

export class MemoryWorld {
  readonly #namespaces = new Map<NetnsPath, MemoryNamespace>();
  #made = 0;
  #applied = 0;
  #fault: { readonly at: number; readonly errno: ErrnoName } | undefined;

  add(path: NetnsPath): MemoryNamespace {
    const ns = new MemoryNamespace(`memory:${++this.#made}`);
    this.#namespaces.set(path, ns);
    return ns;
  }

  /** Its links go, and with them the peers they have elsewhere. */
  remove(path: NetnsPath): void {
    const ns = this.#namespaces.get(path);
    if (!ns) return;
    this.#namespaces.delete(path);
    for (const link of [...ns.links.values()]) if (ns.links.has(link.index)) deleteLink(link);
  }

  /** @throws KERNEL_NO_NETNS */
  find(path: NetnsPath): MemoryNamespace {
    const ns = this.#namespaces.get(path);
    if (!ns) {
      throw new FabricError(
        "KERNEL_NO_NETNS",
        `open network namespace ${path}: no such file; start the container first`,
        {
          details: { netns: path },
        },
      );
    }
    return ns;
  }

  /** Operations applied so far, the failed ones included. */
  get applied(): number {
    return this.#applied;
  }

  failAt(nth: number, errno: ErrnoName): void {
    this.#fault = { at: this.#applied + nth, errno };
  }

  /** Counts the operation. @throws KERNEL_REFUSED when it is the one that was to fail */
  count(op: KernelOperation): void {
    this.#applied++;
    if (this.#fault?.at === this.#applied) {
      const { errno } = this.#fault;
      this.#fault = undefined;
      throw refusal(describeOperation(op), errno, "fault injected by a test");
    }
  }
}

/**
 * Who is connected, by node name. A name belongs to one identity: a second agent of another id is refused while
 * the first is alive, here or at another server; the same id again takes over from its older stream, which is
 * usually dead and only does not know yet.
 */
import { FabricError } from "../../../errors/index.ts";
import type { RegistryReads } from "../../../registry/index.ts";
import type { AgentIdentity } from "../../agent-identity.ts";
import type { Session } from "./session.ts";

export class SessionTable {
  readonly #registry: Pick<RegistryReads, "node" | "isLive">;
  readonly #sessions = new Map<string, Session>();

  constructor(registry: Pick<RegistryReads, "node" | "isLive">) {
    this.#registry = registry;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** @throws CONTROL_NODE_NAME_TAKEN */
  add({ name, id }: AgentIdentity, session: Session): void {
    const key = name.toLowerCase();
    const held = this.#sessions.get(key);
    const known = this.#registry.node(name);
    const knownId =
      known?.name.toLowerCase() === key && this.#registry.isLive(known.name) ? known.id : undefined;
    const liveId = held ? held.id : knownId?.toLowerCase();
    if (liveId !== undefined && liveId !== id) {
      throw new FabricError(
        "CONTROL_NODE_NAME_TAKEN",
        `join node "${name}": a live node with id ${liveId} has this name; rename one of them, or stop it and wait until it is seen as dead`,
        { details: { node: name, id: liveId } },
      );
    }
    this.#sessions.set(key, session);
    held?.end(
      new FabricError(
        "CONTROL_REPLACED",
        `keep session of node "${name}": a newer connection of the node took over; nothing is to be done`,
      ),
    );
  }

  remove(name: string, session: Session): void {
    const key = name.toLowerCase();
    if (this.#sessions.get(key) === session) this.#sessions.delete(key);
  }

  values(): Iterable<Session> {
    return this.#sessions.values();
  }
}

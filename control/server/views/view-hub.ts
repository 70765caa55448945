/**
 * All views that somebody subscribed to, each computed once for all agents. A view that lost its last subscriber
 * lingers, so that agents which reconnect find their history; there are so many of these at most, the longest
 * unused goes first, and none of them keeps anybody from opening another view.
 */
import type { Clock, Timer } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import type { ControlServerLimits } from "../../limits.ts";
import { unknownView } from "./catalog-view-sources.ts";
import { SharedView } from "./shared-view.ts";
import type { ViewFeed, ViewSource } from "./view-source.ts";

export interface OpenView {
  readonly view: SharedView;
  readonly feed: ViewFeed;
}

interface Slot {
  readonly opening: Promise<OpenView>;
  users: number;
  linger: Timer | undefined;
}

export class ViewHub {
  readonly #sources: readonly ViewSource[];
  readonly #clock: Clock;
  readonly #limits: ControlServerLimits;
  readonly #slots = new Map<string, Slot>();
  /** Those without subscribers, the longest unused first. */
  readonly #lingering = new Map<string, Slot>();

  constructor(sources: readonly ViewSource[], clock: Clock, limits: ControlServerLimits) {
    this.#sources = sources;
    this.#clock = clock;
    this.#limits = limits;
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Each acquire needs one release. @throws CONTROL_VIEW_UNKNOWN, CONTROL_LIMIT, what the source throws */
  async acquire(name: string): Promise<OpenView> {
    const slot = this.#slots.get(name) ?? this.#open(name);
    slot.users += 1;
    slot.linger?.cancel();
    this.#lingering.delete(name);
    try {
      return await slot.opening;
    } catch (error) {
      if (this.#slots.get(name) === slot) this.#slots.delete(name);
      throw error;
    }
  }

  release(name: string): void {
    const slot = this.#slots.get(name);
    if (!slot) return;
    slot.users -= 1;
    if (slot.users > 0) return;
    const { viewLingerMs, viewsLingeringMax } = this.#limits;
    slot.linger = this.#clock.setTimer(viewLingerMs, () => this.#drop(name, slot));
    this.#lingering.set(name, slot);
    if (this.#lingering.size > viewsLingeringMax) this.#dropLongestUnused();
  }

  close(): void {
    for (const [name, slot] of this.#slots) this.#drop(name, slot);
  }

  #open(name: string): Slot {
    const { viewsOpenMax } = this.#limits;
    if (this.#slots.size >= viewsOpenMax) this.#dropLongestUnused();
    if (this.#slots.size >= viewsOpenMax) {
      throw new FabricError(
        "CONTROL_LIMIT",
        `subscribe to view "${name}": the server has ${viewsOpenMax} views open; add a server or raise viewsOpenMax`,
        { details: { limit: "viewsOpenMax", max: viewsOpenMax } },
      );
    }
    const source = this.#sources.find(({ prefix }) =>
      prefix.endsWith("/") ? name.startsWith(prefix) : name === prefix,
    );
    const rest = name.slice(source?.prefix.length);
    if (!source || (source.prefix.endsWith("/") && rest === "")) throw unknownView(name);
    const view = new SharedView(name, this.#limits);
    const opening = source.open(rest, view).then((feed) => ({ view, feed }));
    const slot: Slot = { opening, users: 0, linger: undefined };
    this.#slots.set(name, slot);
    return slot;
  }

  #dropLongestUnused(): void {
    const [oldest] = this.#lingering;
    if (oldest) this.#drop(...oldest);
  }

  #drop(name: string, slot: Slot): void {
    slot.linger?.cancel();
    if (this.#lingering.get(name) === slot) this.#lingering.delete(name);
    if (this.#slots.get(name) === slot) this.#slots.delete(name);
    slot.opening.then(
      ({ feed }) => feed.close(),
      () => undefined,
    );
  }
}

/**
 * Attaching and detaching beside a running reconciliation.
 *
 * Always holds: what is being attached is spared by every plan; what was attached here counts as an endpoint
 * from that moment until the desired state names it or it is detached, and what was detached here never
 * counts again until the desired state has dropped it. So the caller may bring its desired state up to date
 * at leisure, and a stale one can neither kill a new container's link nor bring a withdrawn route back.
 * Calls for one host interface name run one after the other.
 */
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { type Kernel, refusedErrno } from "../../kernel/index.ts";
import {
  type AttachedEndpoint,
  attachEndpoint,
  type DetachTarget,
  type EndpointSpec,
  LinkReaper,
  type LinkReaperLimits,
  withdrawEndpoint,
} from "../endpoint/index.ts";

export interface AttachmentLimits extends LinkReaperLimits {
  /** Attachments and detachments under way at one time, waiting ones included. */
  readonly attachmentsMax: number;
}

export const attachmentsMaxDefault = 1024;

export class Attachments {
  readonly #kernel: Kernel;
  readonly #reaper: LinkReaper;
  readonly #max: number;
  /** The last call under way by host interface name. */
  readonly #lanes = new Map<string, Promise<unknown>>();
  #underWay = 0;
  readonly #added = new Map<string, AttachedEndpoint>();
  readonly #removed = new Set<string>();
  #applying: Promise<unknown> = Promise.resolve();

  constructor(kernel: Kernel, clock: Clock, limits: Partial<AttachmentLimits> = {}) {
    this.#kernel = kernel;
    this.#reaper = new LinkReaper(kernel, clock, limits);
    this.#max = limits.attachmentsMax ?? attachmentsMaxDefault;
  }

  /** @throws what attachEndpoint throws, and OVERLAY_QUEUE_FULL */
  attach(spec: EndpointSpec): Promise<AttachedEndpoint> {
    return this.#inLane(spec.hostIfname, async () => {
      await this.#reaper.settled(spec.hostIfname);
      const attached = await this.#attachOrMakeRoom(spec);
      this.#removed.delete(spec.hostIfname);
      this.#added.set(spec.hostIfname, attached);
      return attached;
    });
  }

  /** Resolves when the addresses are unreachable; the link is deleted later. */
  detach(target: DetachTarget): Promise<void> {
    return this.#inLane(target.hostIfname, async () => {
      this.#added.delete(target.hostIfname);
      this.#removed.add(target.hostIfname);
      await this.#applying;
      const index = await withdrawEndpoint(this.#kernel, target);
      if (index !== undefined) await this.#reaper.add(target.hostIfname, index);
    });
  }

  /** The endpoints that stand by the desired state and by what happened here since. */
  endpoints(desired: readonly AttachedEndpoint[]): AttachedEndpoint[] {
    const known = desired.filter(({ hostIfname }) => !this.#added.has(hostIfname));
    return [...known.filter(({ hostIfname }) => !this.#removed.has(hostIfname)), ...this.#added.values()];
  }

  /** A new desired state: what it names, or names no more, need not be kept here. */
  confirm(desired: readonly AttachedEndpoint[]): void {
    const named = new Set(desired.map((endpoint) => endpoint.hostIfname));
    for (const name of named) this.#added.delete(name);
    for (const name of this.#removed) if (!named.has(name)) this.#removed.delete(name);
  }

  /** Host interfaces that a plan must leave alone. */
  spared(): Set<string> {
    return new Set([...this.#lanes.keys(), ...this.#reaper.waiting]);
  }

  /** Runs the application of a plan; detaching waits for it, so that it cannot undo a withdrawal. */
  async whileApplying<T>(apply: () => Promise<T>): Promise<T> {
    const applying = apply();
    this.#applying = applying.then(noop, noop);
    return await applying;
  }

  /** Deletes the links that wait for it. */
  flush(): Promise<void> {
    return this.#reaper.flush();
  }

  /** The container may have an interface of that name whose detached link is not deleted yet. */
  async #attachOrMakeRoom(spec: EndpointSpec): Promise<AttachedEndpoint> {
    try {
      return await attachEndpoint(this.#kernel, spec);
    } catch (error) {
      const isTaken = error instanceof FabricError && refusedErrno(error.cause) === "EEXIST";
      if (!isTaken || this.#reaper.waiting.size === 0) throw error;
      await this.#reaper.flush();
      return await attachEndpoint(this.#kernel, spec);
    }
  }

  async #inLane<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.#underWay >= this.#max) {
      throw new FabricError(
        "OVERLAY_QUEUE_FULL",
        `change endpoint ${name}: ${this.#max} attachments are under way already; try again`,
        { details: { limit: this.#max } },
      );
    }
    this.#underWay++;
    const turn = (this.#lanes.get(name) ?? Promise.resolve()).then(work);
    const lane = turn.then(noop, noop);
    this.#lanes.set(name, lane);
    try {
      return await turn;
    } finally {
      this.#underWay--;
      if (this.#lanes.get(name) === lane) this.#lanes.delete(name);
    }
  }
}

function noop(): void {}

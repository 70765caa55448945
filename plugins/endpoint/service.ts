/**
 * Attaches and detaches container interfaces: one lease a family, one veth pair, one journal entry, for
 * whichever plugin asks.
 *
 * Order of attach: intent to the journal and leases → kernel → result to the journal. Of detach: kernel → leases
 * (which then rest in quarantine) → journal entry away. So an address is never free while a kernel row for it
 * stands, and a crash at any point leaves an entry that says what to finish. Cost: two commits each. The intent
 * is submitted before the leases and shares their commit: a store never keeps a later change and loses an
 * earlier one.
 */
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import { type AttachedEndpoint, hostInterfaceName } from "../../overlay/index.ts";
import type { Store } from "../../store/index.ts";
import {
  type AttachRequest,
  type Endpoint,
  type EndpointAddress,
  type EndpointRef,
  isSameRequest,
  type ReadyEndpoint,
  showEndpoint,
} from "./endpoint.ts";
import { EndpointJournal } from "./journal.ts";
import { Lanes } from "./lanes.ts";
import { containerMac, hostMac } from "./mac.ts";
import type { AddressSource, EndpointLinks } from "./ports.ts";

export interface EndpointLimits {
  /** Attach and detach operations that wait or run. */
  readonly operationsMax: number;
  /** After this long a caller gets an error instead of an answer. */
  readonly deadlineMs: number;
  /** Endpoints of this node. */
  readonly endpointsMax: number;
}

export const endpointLimits: EndpointLimits = { operationsMax: 1024, deadlineMs: 2000, endpointsMax: 8192 };

/** Detachments of one `detachAll` under way at a time. */
const detachConcurrency = 8;

export interface EndpointServiceOptions {
  readonly addresses: AddressSource;
  readonly links: EndpointLinks;
  /** The agent's own store: the journal lies under `endpoint/`. */
  readonly store: Store;
  readonly clock: Clock;
  /** MTU of a container in this network unless it asks for another. */
  readonly mtu: (network: string) => number | Promise<number>;
  readonly limits?: Partial<EndpointLimits>;
}

/** `attached` comes when the kernel has it, `detached` before the kernel loses it. */
export type EndpointChange = {
  readonly kind: "attached" | "detached";
  readonly link: AttachedEndpoint;
};

export class EndpointService {
  readonly #options: EndpointServiceOptions;
  readonly #journal: EndpointJournal;
  readonly #lanes: Lanes;
  readonly #listeners = new Set<(change: EndpointChange) => void>();

  private constructor(options: EndpointServiceOptions, limits: EndpointLimits, journal: EndpointJournal) {
    this.#options = options;
    this.#journal = journal;
    this.#lanes = new Lanes(options.clock, limits);
  }

  /** Reads the journal. @throws ENDPOINT_JOURNAL_INVALID */
  static async open(options: EndpointServiceOptions): Promise<EndpointService> {
    const limits = { ...endpointLimits, ...options.limits };
    const journal = await EndpointJournal.open(options.store, limits.endpointsMax);
    for (const endpoint of journal.list()) {
      if (endpoint.phase !== "attached" || hasLeases(endpoint, options.addresses)) continue;
      journal.hold({ ...endpoint, phase: "detaching" });
    }
    return new EndpointService(options, limits, journal);
  }

  /**
   * Idempotent: the same request again repairs and answers the same addresses.
   * @throws ENDPOINT_EXISTS when the interface is attached with other parameters
   * @throws ENDPOINT_BUSY, ENDPOINT_DEADLINE (the attempt may still complete: repeat it, or detach), ENDPOINT_LIMIT
   * @throws what `ipam` and `overlay` throw, after leases and kernel rows are undone
   */
  attach(request: AttachRequest): Promise<ReadyEndpoint> {
    return this.#lanes.run(request.containerId, `attach ${showEndpoint(request)}`, () =>
      this.#attach(request),
    );
  }

  /**
   * Idempotent: an endpoint that is not there is a success. When the kernel refuses, the addresses stay leased.
   * @throws ENDPOINT_BUSY, ENDPOINT_DEADLINE, and what `overlay` and `ipam` throw; then detach again
   */
  detach(ref: EndpointRef): Promise<void> {
    return this.#lanes.run(ref.containerId, `detach ${showEndpoint(ref)}`, () => this.#detach(ref));
  }

  /** Detaches every endpoint that does not hold its addresses any more, also one whose attach is under way. Answers every error. */
  detachVoid(): Promise<readonly unknown[]> {
    const isVoid = (endpoint: Endpoint) => !hasLeases(endpoint, this.#options.addresses);
    const refs = this.#journal.list().filter(isVoid);
    return this.#forEach(refs, ({ request }) =>
      this.#lanes.run(request.containerId, `detach ${showEndpoint(request)}`, async () => {
        const now = this.#journal.get(request);
        if (now && isVoid(now)) await this.#detach(request);
      }),
    );
  }

  /** A few at a time, so that containers that come and go meanwhile are not held up. Goes on after a failure and answers every error. */
  detachAll(refs: readonly EndpointRef[]): Promise<readonly unknown[]> {
    return this.#forEach(refs, (ref) => this.detach(ref));
  }

  /** Compares leases and kernel rows with the journal. @throws ENDPOINT_NOT_FOUND, ENDPOINT_LEASE_LOST, OVERLAY_ENDPOINT_DRIFT */
  async check(ref: EndpointRef): Promise<ReadyEndpoint> {
    const endpoint = this.#journal.get(ref);
    if (endpoint?.phase !== "attached") {
      throw new FabricError(
        "ENDPOINT_NOT_FOUND",
        `check ${showEndpoint(ref)}: this node has no such endpoint; attach it first`,
      );
    }
    const leased = new Set(this.#options.addresses.leasesOf(ref).map(({ ip }) => ip));
    const lost = endpoint.addresses.filter(({ ip }) => !leased.has(ip)).map(({ ip }) => ip);
    if (lost.length > 0) {
      throw new FabricError(
        "ENDPOINT_LEASE_LOST",
        `check ${showEndpoint(ref)}: ${lost.join(", ")} is not leased to it any more; remove the container and make it anew`,
        { details: { lost } },
      );
    }
    if (endpoint.link) await this.#options.links.check(endpoint.link);
    return endpoint;
  }

  get(ref: EndpointRef): Endpoint | undefined {
    return this.#journal.get(ref);
  }

  list(): readonly Endpoint[] {
    return this.#journal.list();
  }

  /** What the kernel should hold: the overlay's desired endpoints. */
  links(): readonly AttachedEndpoint[] {
    return this.list().flatMap((endpoint) => (endpoint.phase === "attached" ? (endpoint.link ?? []) : []));
  }

  /** Called synchronously at each change of `links()`. Answers how to stop it. */
  onChange(listener: (change: EndpointChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Waits until nothing is under way: for an orderly stop. */
  idle(): Promise<void> {
    return this.#lanes.idle();
  }

  async #forEach<T>(all: readonly T[], task: (one: T) => Promise<void>): Promise<readonly unknown[]> {
    const errors: unknown[] = [];
    const rest = all.values();
    const work = async () => {
      for (const one of rest) await task(one).catch((error: unknown) => errors.push(error));
    };
    await Promise.all(Array.from({ length: detachConcurrency }, work));
    return errors;
  }

  async #attach(request: AttachRequest): Promise<ReadyEndpoint> {
    const existing = this.#journal.get(request);
    const isRepeat = existing !== undefined && isSameRequest(existing.request, request);
    if (existing?.phase === "attached" && !isRepeat) {
      throw new FabricError(
        "ENDPOINT_EXISTS",
        `attach ${showEndpoint(request)}: it is attached to network ${JSON.stringify(existing.request.network)} with other parameters; detach it first`,
        { details: { network: existing.request.network } },
      );
    }
    if (existing && (!isRepeat || existing.phase === "detaching")) await this.#detach(request);
    const createdAtMs = isRepeat ? existing.createdAtMs : this.#options.clock.wallMs();
    if (existing?.phase === "attached")
      return this.#make(request, createdAtMs, await this.#allocate(request));
    this.#journal.assertRoom(request);
    try {
      const intent = this.#journal.put({ phase: "attaching", request, createdAtMs });
      return await this.#make(request, createdAtMs, await after(intent, this.#allocate(request)));
    } catch (error) {
      await this.#unwind(request, error);
      throw error;
    }
  }

  async #allocate(request: AttachRequest): Promise<readonly EndpointAddress[]> {
    const { network, addresses } = request;
    const leases = await this.#options.addresses.allocate({ network, owner: ownerOf(request), addresses });
    return leases.map(({ ip, pool }) => ({ ip, pool }));
  }

  async #make(
    request: AttachRequest,
    createdAtMs: number,
    addresses: readonly EndpointAddress[],
  ): Promise<ReadyEndpoint> {
    const { network, form } = request;
    const entry = { phase: "attached", request, createdAtMs, addresses } as const;
    const [first] = addresses;
    if (form.kind === "addresses" || !first) {
      await this.#journal.put(entry);
      return this.#stillLeased(entry);
    }
    const link = await this.#options.links.attach({
      ...ownerOf(request),
      netns: form.netns,
      hostIfname: hostInterfaceName(request.containerId, request.ifname),
      mac: form.mac ?? containerMac(first.ip),
      hostMac: hostMac(request),
      mtu: form.mtu ?? (await this.#options.mtu(network)),
      addresses: addresses.map(({ ip }) => ip),
    });
    const endpoint = { ...entry, link };
    await this.#journal.put(endpoint);
    this.#stillLeased(endpoint);
    this.#tell({ kind: "attached", link });
    return endpoint;
  }

  /** The node may have lost its term while the kernel was busy. */
  #stillLeased(endpoint: ReadyEndpoint): ReadyEndpoint {
    if (hasLeases(endpoint, this.#options.addresses)) return endpoint;
    throw new FabricError(
      "ENDPOINT_LEASE_LOST",
      `attach ${showEndpoint(endpoint.request)}: the node lost its addresses to a new term meanwhile; try again`,
      { details: { lost: endpoint.addresses.map(({ ip }) => ip) } },
    );
  }

  /** Undoes a failed attach. When that fails too the entry stays, so that a detach can finish it. */
  async #unwind(request: AttachRequest, error: unknown): Promise<void> {
    try {
      await this.#detach(request);
    } catch (undo) {
      throw new FabricError(
        "ENDPOINT_UNWIND_FAILED",
        `attach ${showEndpoint(request)}: ${messageOf(error)}; undoing it failed as well, detach it: ${messageOf(undo)}`,
        { cause: error },
      );
    }
  }

  async #detach(ref: EndpointRef): Promise<void> {
    const { addresses, links } = this.#options;
    const owner = ownerOf(ref);
    const existing = this.#journal.get(ref);
    if (existing?.phase === "attached") {
      this.#journal.hold({ ...existing, phase: "detaching" });
      if (existing.link) this.#tell({ kind: "detached", link: existing.link });
    }
    const form = existing?.request.form;
    if (form?.kind !== "addresses") {
      // An attach that did not complete has its leases only; after a lost term the journal alone knows; and of a
      // lost journal the link is left.
      const known = existing && existing.phase !== "attaching" ? existing.addresses : [];
      const ips = new Set([...known, ...addresses.leasesOf(owner)].map(({ ip }) => ip));
      const hostIfname = hostInterfaceName(ref.containerId, ref.ifname);
      await links.detach({ hostIfname, addresses: [...ips], ...(form && { netns: form.netns }) });
    }
    await addresses.release(undefined, owner);
    if (existing) await this.#journal.delete(ref);
  }

  #tell(change: EndpointChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** If not, they went in a crash in the middle of a detach, or with a term: an address may be another's by now. */
function hasLeases(endpoint: Endpoint, source: AddressSource): boolean {
  const leased = new Set(source.leasesOf(ownerOf(endpoint.request)).map(({ ip }) => ip));
  return endpoint.phase === "attaching"
    ? leased.size > 0
    : endpoint.addresses.every(({ ip }) => leased.has(ip));
}

/** The second's value when both are done; whichever failed, neither is under way any more. */
async function after<T>(first: Promise<unknown>, second: Promise<T>): Promise<T> {
  await Promise.allSettled([first, second]);
  await first;
  return await second;
}

function ownerOf({ containerId, ifname }: EndpointRef): EndpointRef {
  return { containerId, ifname };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

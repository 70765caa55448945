/**
 * The node's own addresses in the fabric, at most one a family: the source of what the host itself sends over
 * VXLAN (see overlay's FabricSelf). They are leases like a container's, with an owner that no container has: of the
 * journal, unique, and kept over restarts. Taken when the node first reaches another by VXLAN, from the
 * oldest networks that may cross by it; given up only with their network or the node's term.
 *
 * Without one everything between containers works; so a full pool is a warning, tried again, and no error.
 */
import { type Family, familyOf, type Ip } from "../../addr/index.ts";
import type { Clock, Timer } from "../../clock/index.ts";
import { familiesOf, type LeaseOwner, type NetworkRecord, type NodeIpam } from "../../ipam/index.ts";
import { vxlanDevice } from "../../overlay/index.ts";
import type { Log } from "../process/log.ts";

/** No runtime names a container so: its ids have neither a slash nor a colon. */
const owner: LeaseOwner = { containerId: "heddle:node", ifname: vxlanDevice };

/** Until the next try after one that failed; also how long a network that is to be deleted is left alone. */
const [retryMs, avoidMs] = [30_000, 300_000];

export interface NodeAddressOptions {
  readonly ipam: Pick<NodeIpam, "allocate" | "release" | "leasesOf" | "fenceStatus">;
  readonly networks: () => Iterable<NetworkRecord>;
  readonly clock: Clock;
  readonly log: Log;
  /** The addresses are others than before. */
  readonly onChange: () => void;
}

export class NodeAddress {
  readonly #options: NodeAddressOptions;
  /** Network → until when it is not used. */
  readonly #avoided = new Map<string, number>();
  #isWanted = false;
  #running: Promise<void> = Promise.resolve();
  #retry: Timer | undefined;

  constructor(options: NodeAddressOptions) {
    this.#options = options;
  }

  /** As the journal has them, also before a server was reached. */
  get addresses(): readonly Ip[] {
    return this.#options.ipam.leasesOf(owner).map(({ ip }) => ip);
  }

  /** Takes what is missing, now and after a change of networks or term. */
  want(isWanted: boolean): void {
    this.#isWanted = isWanted;
    this.look();
  }

  look(): void {
    if (this.#isWanted && this.#retry === undefined && this.#missing().size > 0)
      void this.#run(() => this.#take());
  }

  /** Gives the address in a network up that is to be deleted. Resolves when the journal has it. */
  async leave(network: string): Promise<void> {
    const { clock, ipam, onChange } = this.#options;
    this.#avoided.set(network, clock.monotonicMs() + avoidMs);
    await this.#run(async () => {
      if ((await ipam.release(network, owner)).length > 0) onChange();
    });
    this.look();
  }

  stop(): void {
    this.#isWanted = false;
    this.#retry?.cancel();
  }

  async #take(): Promise<void> {
    const { ipam, log, onChange } = this.#options;
    if (ipam.fenceStatus().kind !== "open") return;
    const had = this.addresses.length;
    for (const network of this.#candidates()) {
      const missing = this.#missing();
      const families = familiesOf(network).filter((family) => missing.has(family));
      if (families.length === 0) continue;
      try {
        await ipam.allocate({ network: network.name, owner, families });
      } catch (error) {
        log.warn({ error, network: network.name }, "take an address for the node itself; it is tried again");
        this.#tryLater();
      }
    }
    if (this.addresses.length !== had) onChange();
  }

  /** Families that a network has and the node not. */
  #missing(): Set<Family> {
    const missing = new Set(this.#candidates().flatMap((network) => familiesOf(network)));
    for (const ip of this.addresses) missing.delete(familyOf(ip));
    return missing;
  }

  #candidates(): readonly NetworkRecord[] {
    const nowMs = this.#options.clock.monotonicMs();
    const isAvoided = ({ name }: NetworkRecord) => (this.#avoided.get(name) ?? 0) > nowMs;
    return [...this.#options.networks()]
      .filter((network) => network.backend !== "direct" && !network.deleting && !isAvoided(network))
      .sort((a, b) => a.createdAtMs - b.createdAtMs || (a.name < b.name ? -1 : 1));
  }

  #tryLater(): void {
    this.#retry ??= this.#options.clock.setTimer(retryMs, () => {
      this.#retry = undefined;
      this.look();
    });
  }

  /** One at a time. */
  #run(work: () => Promise<void>): Promise<void> {
    const turn = this.#running.then(work);
    this.#running = turn.catch((error: unknown) => {
      this.#options.log.warn({ error }, "change the node's own address");
    });
    return turn;
  }
}

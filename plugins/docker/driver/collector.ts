/**
 * Takes away what Docker forgot: engines log a failed Leave, DeleteEndpoint, DeleteNetwork or ReleaseAddress and
 * go on, and after a crash they may not call at all. Each round compares with the engine's own lists, outside of
 * every handler, as engines call plugins before their API answers.
 *
 * Always holds: nothing is collected that the engine lists, or that was made after the round began, or whose
 * absence was not seen for `graceMs` in a row. Without an answer of the engine only an interface that is gone and
 * whose address Docker has released is collected. Collected addresses rest as all others do.
 */
import type { Ip } from "../../../addr/index.ts";
import type { Clock, Timer } from "../../../clock/index.ts";
import { isFabricError } from "../../../errors/index.ts";
import type { EngineNetwork } from "../engine/index.ts";
import type { AddressDriver } from "./address-driver.ts";
import type { DockerAddresses, FabricPlan } from "./fabric-plan.ts";
import type { DockerJournal } from "./journal.ts";
import type { NetworkDriver } from "./network-driver.ts";
import { isDockerOwner } from "./owners.ts";
import type { DockerEndpoint } from "./records.ts";

export interface CollectorLimits {
  readonly intervalMs: number;
  /** How long something is missing at the engine before it is taken away. */
  readonly graceMs: number;
}

export const collectorLimits: CollectorLimits = { intervalMs: 10_000, graceMs: 30_000 };

export interface CollectReport {
  readonly endpoints: readonly string[];
  readonly networks: readonly string[];
  readonly pools: readonly string[];
  readonly addresses: readonly Ip[];
  /** Fabric networks that were made for Docker networks which are gone. */
  readonly retired: readonly string[];
  readonly errors: readonly unknown[];
}

const nothingCollected: CollectReport = {
  endpoints: [],
  networks: [],
  pools: [],
  addresses: [],
  retired: [],
  errors: [],
};

/** What the engine itself believes. */
export interface DockerEngine {
  /** Networks whose driver or IPAM driver has the name. @throws DOCKER_ENGINE_UNREACHABLE, DOCKER_ENGINE_ANSWER */
  networks(driver: string): Promise<readonly EngineNetwork[]>;
}

export interface CollectorOptions {
  readonly journal: DockerJournal;
  readonly networks: NetworkDriver;
  readonly addresses: AddressDriver;
  readonly leases: DockerAddresses;
  readonly plan: FabricPlan;
  /** Absent: no engine is asked. */
  readonly engine?: DockerEngine;
  readonly clock: Clock;
  /** Of our network driver and IPAM driver, as Docker calls it. */
  readonly driver: string;
  /** True when the endpoint's interface is gone. */
  readonly isDead: (endpoint: DockerEndpoint) => Promise<boolean>;
  readonly onCollected: (report: CollectReport) => void;
  readonly limits?: Partial<CollectorLimits>;
}

interface Known {
  readonly networks: ReadonlySet<string>;
  readonly endpoints: ReadonlySet<string>;
  readonly addresses: ReadonlySet<Ip>;
  /** Another driver takes addresses from Heddle's IPAM driver. */
  readonly lendsAddresses: boolean;
}

export class Collector {
  readonly #options: CollectorOptions;
  readonly #limits: CollectorLimits;
  /** Since when each thing is missing at the engine. */
  readonly #missingSinceMs = new Map<string, number>();
  #timer: Timer | undefined;
  #round: Promise<unknown> = Promise.resolve();

  constructor(options: CollectorOptions) {
    this.#options = options;
    this.#limits = { ...collectorLimits, ...options.limits };
  }

  start(): void {
    this.#timer = this.#options.clock.setTimer(this.#limits.intervalMs, () => {
      this.start();
      this.collectNow().catch((error: unknown) =>
        this.#options.onCollected({ ...nothingCollected, errors: [error] }),
      );
    });
  }

  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    await this.#round;
  }

  /** One round, after the one that may be running. */
  collectNow(): Promise<CollectReport> {
    const round = this.#round.then(() => this.#collect());
    this.#round = round.catch(() => undefined);
    return round;
  }

  async #collect(): Promise<CollectReport> {
    const { journal, networks, addresses, leases, onCollected } = this.#options;
    // What is there before the engine is asked: what comes later may not be in its answer.
    const mine = {
      endpoints: journal.endpoints.list(),
      networks: journal.networks.list(),
      pools: journal.pools.list(),
      leases: leases.leases().filter(({ owner }) => isDockerOwner(owner)),
    };
    const known = await this.#ask();
    const seen = new Set<string>();
    const isDue = (kind: string, id: string) => {
      seen.add(`${kind} ${id}`);
      return this.#isMissingLong(`${kind} ${id}`);
    };
    const dead: string[] = [];
    for (const endpoint of mine.endpoints) {
      if (
        known
          ? !known.endpoints.has(endpoint.id) && isDue("endpoint", endpoint.id)
          : await this.#isForsaken(endpoint)
      )
        dead.push(endpoint.id);
    }
    const errors: unknown[] = [];
    const attempt = async <T>(items: readonly T[], act: (item: T) => Promise<void>): Promise<T[]> => {
      const done: T[] = [];
      for (const item of items) {
        await act(item).then(
          () => done.push(item),
          (error: unknown) => errors.push(error),
        );
      }
      return done;
    };
    const endpoints = await attempt(dead, (id) => networks.forget(id));
    const held = new Set(journal.endpoints.list().flatMap((endpoint) => endpoint.addresses));
    const aside = new Set(journal.networks.list().flatMap(({ reserved }) => reserved));
    const gone = known
      ? mine.networks.filter(({ id }) => !known.networks.has(id) && isDue("network", id))
      : [];
    const loose = mine.leases.filter(({ ip }) => !held.has(ip) && !aside.has(ip));
    // The lease of an endpoint that was collected just now has waited long enough with it.
    const collected = new Set(
      mine.endpoints.filter(({ id }) => endpoints.includes(id)).flatMap((each) => each.addresses),
    );
    const free = loose.filter(
      ({ ip }) => collected.has(ip) || (known && !known.addresses.has(ip) && isDue("address", ip)),
    );
    const idle = mine.pools.filter(
      ({ id, takenBy }) => takenBy === undefined && known && !known.lendsAddresses && isDue("pool", id),
    );
    const report = {
      endpoints,
      networks: (await attempt(gone, ({ id }) => networks.forgetNetwork(id))).map(({ id }) => id),
      addresses: (await attempt(free, (lease) => addresses.free(lease))).map(({ ip }) => ip),
      pools: (await attempt(idle, ({ id }) => journal.pools.delete(id))).map(({ id }) => id),
      retired: await this.#retire(errors),
      errors,
    };
    for (const key of this.#missingSinceMs.keys()) if (!seen.has(key)) this.#missingSinceMs.delete(key);
    if (Object.values(report).some((list) => list.length > 0)) onCollected(report);
    return report;
  }

  /** Undefined when the engine does not answer: it may be starting, and what it has is not known. */
  async #ask(): Promise<Known | undefined> {
    const { engine, driver } = this.#options;
    if (!engine) return undefined;
    let list: readonly EngineNetwork[];
    try {
      list = await engine.networks(driver);
    } catch (error) {
      if (!isFabricError(error, "DOCKER_ENGINE_UNREACHABLE") && !isFabricError(error, "DOCKER_ENGINE_ANSWER"))
        throw error;
      return undefined;
    }
    return {
      networks: new Set(list.map(({ id }) => id)),
      endpoints: new Set(list.flatMap(({ endpoints }) => endpoints)),
      addresses: new Set(list.flatMap(({ addresses }) => addresses)),
      lendsAddresses: list.some((network) => network.driver !== driver),
    };
  }

  async #isForsaken(endpoint: DockerEndpoint): Promise<boolean> {
    return endpoint.isForsaken === true && (await this.#options.isDead(endpoint));
  }

  #isMissingLong(key: string): boolean {
    const nowMs = this.#options.clock.monotonicMs();
    const sinceMs = this.#missingSinceMs.get(key) ?? nowMs;
    this.#missingSinceMs.set(key, sinceMs);
    return nowMs - sinceMs >= this.#limits.graceMs;
  }

  /** Fabric networks that Docker networks of this node had to themselves; while others use one it stays. */
  async #retire(errors: unknown[]): Promise<readonly string[]> {
    const { journal, plan } = this.#options;
    const used = new Set(journal.networks.list().map(({ network }) => network));
    const removed: string[] = [];
    for (const { id: name } of journal.retired.list()) {
      try {
        if (!used.has(name)) await plan.remove(name);
        await journal.retired.delete(name);
        removed.push(name);
      } catch (error) {
        if (isFabricError(error, "IPAM_NETWORK_NOT_FOUND")) await journal.retired.delete(name);
        else if (!isFabricError(error, "IPAM_NETWORK_IN_USE")) errors.push(error);
      }
    }
    return removed;
  }
}

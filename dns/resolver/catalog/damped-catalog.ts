/**
 * A catalog whose instances carry `damped` while they rest from flapping. It watches each service that its
 * reader holds, change by change, and announces the service again when the first of its instances may be back,
 * so that answers made meanwhile are made anew.
 *
 * Bounded: services are forgotten when the reader lets go of them and nothing of them rests or decays, and the
 * longest unchanged when there are more than `servicesMax`.
 */
import type { Ip } from "../../../addr/index.ts";
import type { Clock, Timer } from "../../../clock/index.ts";
import { isHealthy } from "../choice/instances.ts";
import { serviceSetting } from "../choice/service-settings.ts";
import {
  type CatalogChange,
  type CatalogReader,
  instanceKey,
  type KeyTree,
  type MaybePromise,
  type NodeAnswer,
  type QueryAnswer,
  type ReverseTarget,
  type ServiceInstance,
} from "./catalog-reader.ts";
import {
  type DampingPolicy,
  type FlapRecord,
  firstSeen,
  isSettled,
  observe,
  restLeftMs,
} from "./flap-damping.ts";

interface Watched {
  readonly name: string;
  records: Map<string, FlapRecord>;
  timer: Timer | undefined;
}

export class DampedCatalog implements CatalogReader {
  readonly #inner: CatalogReader;
  readonly #clock: Clock;
  readonly #policy: DampingPolicy;
  readonly #servicesMax: number;
  /** By name in lower case, the longest unchanged first. */
  readonly #services = new Map<string, Watched>();
  readonly #listeners = new Set<(change: CatalogChange) => void>();
  readonly #unsubscribe: () => void;

  constructor(inner: CatalogReader, clock: Clock, policy: DampingPolicy, servicesMax: number) {
    this.#inner = inner;
    this.#clock = clock;
    this.#policy = policy;
    this.#servicesMax = servicesMax;
    this.#unsubscribe = inner.onChange((change) => {
      if (change.kind === "service") this.#changed(change.name, change.instances);
      this.#announce(change);
    });
  }

  close(): void {
    this.#unsubscribe();
    for (const { timer } of this.#services.values()) timer?.cancel();
    this.#services.clear();
    this.#listeners.clear();
  }

  service(name: string, datacenter: string): MaybePromise<readonly ServiceInstance[] | undefined> {
    const instances = this.#inner.service(name, datacenter);
    return instances instanceof Promise
      ? instances.then((each) => this.#marked(name, each))
      : this.#marked(name, instances);
  }

  node(name: string, datacenter: string): MaybePromise<NodeAnswer | undefined> {
    return this.#inner.node(name, datacenter);
  }

  query(name: string, datacenter: string): MaybePromise<QueryAnswer | undefined> {
    return this.#inner.query(name, datacenter);
  }

  nodes(datacenter: string): MaybePromise<readonly NodeAnswer[]> {
    return this.#inner.nodes(datacenter);
  }

  container(name: string, network: string, datacenter: string): MaybePromise<readonly Ip[]> {
    return this.#inner.container(name, network, datacenter);
  }

  reverse(ip: Ip): MaybePromise<readonly ReverseTarget[]> {
    return this.#inner.reverse(ip);
  }

  keys(path: string): MaybePromise<KeyTree> {
    return this.#inner.keys(path);
  }

  datacenters(): readonly string[] {
    return this.#inner.datacenters();
  }

  staleSinceMs(): number | undefined {
    return this.#inner.staleSinceMs?.();
  }

  ageMs(source: string): number | undefined {
    return this.#inner.ageMs?.(source);
  }

  onChange(listener: (change: CatalogChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #marked(
    name: string,
    instances: readonly ServiceInstance[] | undefined,
  ): readonly ServiceInstance[] | undefined {
    const watched = this.#services.get(name.toLowerCase());
    if (!watched || !instances) return instances;
    const nowMs = this.#clock.monotonicMs();
    return instances.map((instance) => {
      const record = watched.records.get(instanceKey(instance));
      const rests = record !== undefined && restLeftMs(record, nowMs, this.#policy) > 0;
      return rests ? { ...instance, damped: true } : instance;
    });
  }

  #changed(name: string, read: (() => readonly ServiceInstance[]) | undefined): void {
    const key = name.toLowerCase();
    const known = this.#services.get(key);
    const instances = read?.() ?? [];
    const enabled = this.#isEnabled(instances, known !== undefined);
    const nowMs = this.#clock.monotonicMs();
    known?.timer?.cancel();
    this.#services.delete(key);
    if (!enabled) return;
    const records = this.#observed(known?.records ?? new Map(), instances, read !== undefined, nowMs);
    if (records.size === 0) return;
    const watched: Watched = { name, records, timer: undefined };
    this.#services.set(key, watched);
    this.#armReuse(watched, nowMs);
    const [oldest] = this.#services.values();
    if (this.#services.size > this.#servicesMax && oldest) {
      oldest.timer?.cancel();
      this.#services.delete(oldest.name.toLowerCase());
    }
  }

  /** What says nothing of itself, as a service that is gone for the moment, stays as it was. */
  #isEnabled(instances: readonly ServiceInstance[], wasEnabled: boolean): boolean {
    const asked = serviceSetting(instances, "flapDamping");
    if (asked !== undefined) return asked > 0;
    return this.#policy.enabled || (wasEnabled && instances.length === 0);
  }

  /** @param isWhole the instances are all that there are; otherwise nothing is known of those that are missing */
  #observed(
    before: ReadonlyMap<string, FlapRecord>,
    instances: readonly ServiceInstance[],
    isWhole: boolean,
    nowMs: number,
  ): Map<string, FlapRecord> {
    const records = new Map<string, FlapRecord>();
    for (const instance of instances) {
      const key = instanceKey(instance);
      const up = isHealthy(instance);
      const record = before.get(key);
      records.set(key, record ? observe(record, up, nowMs, this.#policy) : firstSeen(up, nowMs));
    }
    for (const [key, record] of before) {
      if (records.has(key)) continue;
      const gone = isWhole ? observe(record, false, nowMs, this.#policy) : record;
      if (!isSettled(gone, nowMs, this.#policy)) records.set(key, gone);
    }
    return records;
  }

  #armReuse(watched: Watched, nowMs: number): void {
    const rests = [...watched.records.values()]
      .map((record) => restLeftMs(record, nowMs, this.#policy))
      .filter((leftMs) => leftMs > 0);
    if (rests.length === 0) return;
    watched.timer = this.#clock.setTimer(Math.ceil(Math.min(...rests)) + 1, () => {
      this.#announce({ kind: "service", name: watched.name });
      this.#armReuse(watched, this.#clock.monotonicMs());
    });
  }

  #announce(change: CatalogChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

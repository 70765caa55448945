/**
 * The catalog as DNS may tell it: by the rights of the agent's own token, or of the anonymous one, as DNS carries none.
 * What may not be read is not there, as in Consul. Names of containers are left alone: those are told inside of their
 * own network only, and are no services of the catalog.
 */
import type { Ip } from "../../addr/index.ts";
import type {
  CatalogChange,
  CatalogReader,
  KeyTree,
  MaybePromise,
  NodeAnswer,
  QueryAnswer,
  ReverseTarget,
  ServiceInstance,
} from "../../dns/index.ts";
import type { Rights } from "../../registry/index.ts";

export interface RightsNow {
  readonly own: Rights;
  onChange(listener: () => void): () => void;
}

export class GuardedCatalog implements CatalogReader {
  readonly #held: CatalogReader;
  readonly #rights: RightsNow;

  constructor(held: CatalogReader, rights: RightsNow) {
    this.#held = held;
    this.#rights = rights;
  }

  service(name: string, datacenter: string): MaybePromise<readonly ServiceInstance[] | undefined> {
    if (!this.#sees("service", name)) return undefined;
    return then(this.#held.service(name, datacenter), (found) => found && this.#instances(found));
  }

  node(name: string, datacenter: string): MaybePromise<NodeAnswer | undefined> {
    return this.#sees("node", name) ? this.#held.node(name, datacenter) : undefined;
  }

  query(name: string, datacenter: string): MaybePromise<QueryAnswer | undefined> {
    return then(this.#held.query(name, datacenter), (found) => {
      if (!found) return undefined;
      const seen = this.#sees("service", found.service) ? this.#instances(found.instances) : [];
      return { ...found, instances: seen };
    });
  }

  nodes(datacenter: string): MaybePromise<readonly NodeAnswer[]> {
    return then(this.#held.nodes(datacenter), (found) =>
      found.filter(({ name }) => this.#sees("node", name)),
    );
  }

  container(name: string, network: string, datacenter: string): MaybePromise<readonly Ip[]> {
    return this.#held.container(name, network, datacenter);
  }

  reverse(ip: Ip): MaybePromise<readonly ReverseTarget[]> {
    return then(this.#held.reverse(ip), (found) =>
      found.filter(({ kind, name }) => kind === "container" || this.#sees(kind, name)),
    );
  }

  keys(path: string): MaybePromise<KeyTree> {
    return then(this.#held.keys(path), ({ values, complete }) => ({
      values: new Map([...values].filter(([key]) => this.#sees("key", key))),
      complete,
    }));
  }

  datacenters(): readonly string[] {
    return this.#held.datacenters();
  }

  staleSinceMs(): number | undefined {
    return this.#held.staleSinceMs?.();
  }

  ageMs(source: string): number | undefined {
    return this.#held.ageMs?.(source);
  }

  onChange(listener: (change: CatalogChange) => void): () => void {
    const stops = [this.#held.onChange(listener), this.#rights.onChange(() => listener({ kind: "all" }))];
    return () => {
      for (const stop of stops) stop();
    };
  }

  #instances(all: readonly ServiceInstance[]): readonly ServiceInstance[] {
    return all.filter(({ node }) => this.#sees("node", node));
  }

  #sees(kind: "service" | "node" | "key", name: string): boolean {
    return this.#rights.own.allows(kind, name, "read");
  }
}

function then<T, R>(value: MaybePromise<T>, next: (value: T) => R): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

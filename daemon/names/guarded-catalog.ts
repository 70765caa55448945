/**
 * The catalog as DNS may tell it: by the rights of the agent's own token, or of the anonymous one, as DNS carries none.
 * What may not be read is not there, as in Consul. Names of containers are left alone: those are told inside of their
 * own network only, and are no services of the catalog.
 *
 * Always holds: as long as the rights are not known a name is neither there nor not there. A node that never met a server
 * must not say that there is no such name: clients would believe it, and keep it.
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
  /** A promise while they are not known; it rejects when no server tells them in time. */
  readonly own: MaybePromise<Rights>;
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
    return then(this.#rights.own, (rights) =>
      sees(rights, "service", name)
        ? then(this.#held.service(name, datacenter), (found) => found && instancesFor(rights, found))
        : undefined,
    );
  }

  node(name: string, datacenter: string): MaybePromise<NodeAnswer | undefined> {
    return then(this.#rights.own, (rights) =>
      sees(rights, "node", name) ? this.#held.node(name, datacenter) : undefined,
    );
  }

  query(name: string, datacenter: string): MaybePromise<QueryAnswer | undefined> {
    return this.#filtered(this.#held.query(name, datacenter), (found, rights) => {
      if (!found) return undefined;
      const seen = sees(rights, "service", found.service) ? instancesFor(rights, found.instances) : [];
      return { ...found, instances: seen };
    });
  }

  nodes(datacenter: string): MaybePromise<readonly NodeAnswer[]> {
    return this.#filtered(this.#held.nodes(datacenter), (found, rights) =>
      found.filter(({ name }) => sees(rights, "node", name)),
    );
  }

  container(name: string, network: string, datacenter: string): MaybePromise<readonly Ip[]> {
    return this.#held.container(name, network, datacenter);
  }

  reverse(ip: Ip): MaybePromise<readonly ReverseTarget[]> {
    return then(this.#held.reverse(ip), (found) =>
      found.every(({ kind }) => kind === "container")
        ? found
        : then(this.#rights.own, (rights) =>
            found.filter(({ kind, name }) => kind === "container" || sees(rights, kind, name)),
          ),
    );
  }

  keys(path: string): MaybePromise<KeyTree> {
    return this.#filtered(this.#held.keys(path), ({ values, complete }, rights) => ({
      values: new Map([...values].filter(([key]) => sees(rights, "key", key))),
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

  #filtered<T, R>(found: MaybePromise<T>, filter: (found: T, rights: Rights) => R): MaybePromise<R> {
    return then(found, (held) => then(this.#rights.own, (rights) => filter(held, rights)));
  }
}

function instancesFor(rights: Rights, all: readonly ServiceInstance[]): readonly ServiceInstance[] {
  return all.filter(({ node }) => sees(rights, "node", node));
}

function sees(rights: Rights, kind: "service" | "node" | "key", name: string): boolean {
  return rights.allows(kind, name, "read");
}

function then<T, R>(value: MaybePromise<T>, next: (value: T) => MaybePromise<R>): MaybePromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** A CatalogReader over maps: the reference for others, and what tests and benchmarks run on. */
import type { Ip } from "../../../addr/index.ts";
import type {
  CatalogChange,
  CatalogReader,
  KeyTree,
  NodeAnswer,
  QueryAnswer,
  ReverseTarget,
  ServiceInstance,
} from "./catalog-reader.ts";

export class MemoryCatalog implements CatalogReader {
  readonly #datacenter: string;
  readonly #services = new Map<string, readonly ServiceInstance[]>();
  readonly #containers = new Map<string, readonly Ip[]>();
  readonly #queries = new Map<string, QueryAnswer>();
  readonly #nodes = new Map<string, NodeAnswer>();
  readonly #reverse = new Map<Ip, readonly ReverseTarget[]>();
  readonly #keys = new Map<string, string>();
  readonly #listeners = new Set<(change: CatalogChange) => void>();

  constructor(datacenter = "dc1") {
    this.#datacenter = datacenter;
  }

  service(name: string, datacenter: string): readonly ServiceInstance[] | undefined {
    return datacenter === this.#datacenter ? this.#services.get(name) : undefined;
  }

  node(name: string, datacenter: string): NodeAnswer | undefined {
    return datacenter === this.#datacenter ? this.#nodes.get(name) : undefined;
  }

  query(name: string, datacenter: string): QueryAnswer | undefined {
    return datacenter === this.#datacenter ? this.#queries.get(name) : undefined;
  }

  nodes(datacenter: string): readonly NodeAnswer[] {
    return datacenter === this.#datacenter ? [...this.#nodes.values()] : [];
  }

  container(name: string, network: string, datacenter: string): readonly Ip[] {
    return datacenter === this.#datacenter ? (this.#containers.get(`${name}.${network}`) ?? []) : [];
  }

  reverse(ip: Ip): readonly ReverseTarget[] {
    return this.#reverse.get(ip) ?? [];
  }

  keys(path: string): KeyTree {
    const values = [...this.#keys].filter(([key]) => key === path || key.startsWith(`${path}/`));
    return { values: new Map(values), complete: true };
  }

  datacenters(): readonly string[] {
    return [this.#datacenter];
  }

  onChange(listener: (change: CatalogChange) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Undefined removes it. */
  setService(name: string, instances: readonly ServiceInstance[] | undefined): void {
    setOrDelete(this.#services, name.toLowerCase(), instances);
    this.#announce({ kind: "service", name, instances: () => instances ?? [] });
  }

  setNode(name: string, node: NodeAnswer | undefined): void {
    setOrDelete(this.#nodes, name.toLowerCase(), node);
    this.#announce({ kind: "node", name });
    this.#announce({ kind: "nodes" });
  }

  setQuery(name: string, answer: QueryAnswer | undefined): void {
    setOrDelete(this.#queries, name.toLowerCase(), answer);
    this.#announce({ kind: "query", name });
  }

  /** None removes it. */
  setContainer(name: string, network: string, addresses: readonly Ip[]): void {
    this.#containers.set(`${name}.${network}`.toLowerCase(), addresses);
    this.#announce({ kind: "container", name, network });
  }

  setReverse(ip: Ip, targets: readonly ReverseTarget[]): void {
    this.#reverse.set(ip, targets);
    this.#announce({ kind: "reverse", ip });
  }

  /** Undefined deletes it. */
  setKey(key: string, value: string | undefined): void {
    setOrDelete(this.#keys, key, value);
    const parts = key.split("/");
    for (let count = parts.length; count > 0; count--)
      this.#announce({ kind: "keys", path: parts.slice(0, count).join("/") });
  }

  #announce(change: CatalogChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

function setOrDelete<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

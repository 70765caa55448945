/**
 * The registry as one token may read it. Lists leave out what may not be read, and remember that they did; a thing
 * that was asked for by its own name is refused, where Consul refuses it.
 */
import type { Ip } from "../../addr/index.ts";
import type {
  ChangeSubject,
  CheckEntry,
  CheckStatus,
  CoordinateEntry,
  EventEntry,
  KvEntry,
  NodeEntry,
  QueryEntry,
  RegistryReads,
  Rights,
  ServiceEntry,
  ServiceInstance,
  SessionEntry,
} from "../../registry/index.ts";

/** How far a registry is, and waiting for it: nothing of what it holds. */
export type RegistryProgress = Pick<
  RegistryReads,
  | "datacenter"
  | "index"
  | "applied"
  | "barrier"
  | "indexOf"
  | "park"
  | "leave"
  | "storeId"
  | "changesFrom"
  | "changesAfter"
  | "contact"
>;

/** What the registry holds, to whom it may be shown. */
export interface ContentReads
  extends Omit<
    RegistryReads,
    | Exclude<keyof RegistryProgress, "datacenter" | "index" | "indexOf">
    | "onChange"
    | "status"
    | "serviceOfNode"
    | "checkOfNode"
    | "keyTime"
    | "keyLeases"
    | "kvHeldBy"
    | "isLockDelayed"
    | "sessionHasTime"
    | "acl"
    | "history"
  > {
  readonly history: Pick<RegistryReads["history"], "versions" | "rules">;
}

export class GuardedReads implements ContentReads {
  readonly #held: RegistryReads;
  readonly #rights: Rights;
  #hasFiltered = false;

  constructor(held: RegistryReads, rights: Rights) {
    this.#held = held;
    this.#rights = rights;
  }

  /** Something was left out since the making. */
  get hasFiltered(): boolean {
    return this.#hasFiltered;
  }

  get datacenter(): string {
    return this.#held.datacenter;
  }

  get index(): number {
    return this.#held.index;
  }

  indexOf(topic: Parameters<RegistryReads["indexOf"]>[0]): number {
    return this.#held.indexOf(topic);
  }

  nodes(): readonly NodeEntry[] {
    return this.#only(this.#held.nodes(), ({ name }) => this.#seesNode(name));
  }

  node(nameOrId: string): NodeEntry | undefined {
    const found = this.#held.node(nameOrId);
    return found && this.#only([found], ({ name }) => this.#seesNode(name))[0];
  }

  isLive(node: string): boolean {
    return this.#held.isLive(node);
  }

  liveLease(node: string): string | undefined {
    return this.#held.liveLease(node);
  }

  serviceNames(): ReadonlyMap<string, readonly string[]> {
    const all = this.#held.serviceNames();
    const seen = this.#only([...all], ([name]) => this.#seesService(name));
    return seen.length === all.size ? all : new Map(seen);
  }

  service(name: string): readonly ServiceInstance[] {
    return this.#instances(this.#held.service(name));
  }

  connect(name: string): readonly ServiceInstance[] {
    return this.#instances(this.#held.connect(name));
  }

  providersOf(needs: readonly string[]): readonly ServiceInstance[] {
    return this.#instances(this.#held.providersOf(needs));
  }

  servicesOfNode(node: string): readonly ServiceEntry[] {
    return this.#only(
      this.#held.servicesOfNode(node),
      (one) => this.#seesNode(one.node) && this.#seesService(one.name),
    );
  }

  checksOfNode(node: string): readonly CheckEntry[] {
    return this.#checks(this.#held.checksOfNode(node));
  }

  checksOfService(name: string): readonly CheckEntry[] {
    return this.#checks(this.#held.checksOfService(name));
  }

  checksInState(state: CheckStatus | "any"): readonly CheckEntry[] {
    return this.#checks(this.#held.checksInState(state));
  }

  atAddress(ip: Ip) {
    const { nodes, services } = this.#held.atAddress(ip);
    return {
      nodes: this.#only(nodes, ({ name }) => this.#seesNode(name)),
      services: this.#instances(services),
    };
  }

  /** @throws REGISTRY_PERMISSION_DENIED, whether there is such a key or not */
  kv(key: string): KvEntry | undefined {
    this.#rights.assert("key", key, "read");
    return this.#held.kv(key);
  }

  kvList(prefix: string, max?: number): readonly KvEntry[] {
    const seen = this.#only(this.#held.kvList(prefix), ({ key }) => this.#seesKey(key));
    return max === undefined ? seen : seen.slice(0, max);
  }

  kvKeys(prefix: string, separator?: string): readonly string[] {
    return this.#only(this.#held.kvKeys(prefix, separator), (key) => this.#seesKey(key));
  }

  get history(): ContentReads["history"] {
    const { history } = this.#held;
    return {
      versions: (key) => {
        this.#rights.assert("key", key, "read");
        return history.versions(key);
      },
      rules: () => this.#only([...history.rules()], ({ prefix }) => this.#seesKey(prefix)),
    };
  }

  session(id: string): SessionEntry | undefined {
    const found = this.#held.session(id);
    return found && this.#sessions([found])[0];
  }

  sessions(): readonly SessionEntry[] {
    return this.#sessions(this.#held.sessions());
  }

  sessionsOfNode(node: string): readonly SessionEntry[] {
    return this.#sessions(this.#held.sessionsOfNode(node));
  }

  events(): readonly EventEntry[] {
    return this.#only(this.#held.events(), ({ name }) => this.#rights.allows("event", name, "read"));
  }

  /** One without a name is known to who has its id, and to who may do everything. */
  queries(): readonly QueryEntry[] {
    return this.#only(this.#held.queries(), (query) =>
      isNamed(query)
        ? this.#rights.allows("query", query.name, "read")
        : this.#rights.allows("acl", "", "write"),
    );
  }

  /** @throws REGISTRY_PERMISSION_DENIED */
  query(id: string): QueryEntry | undefined {
    return this.#readable(this.#held.query(id));
  }

  /** @throws REGISTRY_PERMISSION_DENIED */
  queryNamed(name: string): QueryEntry | undefined {
    return this.#readable(this.#held.queryNamed(name));
  }

  /** Whoever may read the service may ask by the query. */
  resolveQuery(nameOrId: string): QueryEntry | undefined {
    return this.#held.resolveQuery(nameOrId);
  }

  coordinates(): readonly CoordinateEntry[] {
    return this.#only(this.#held.coordinates(), ({ node }) => this.#seesNode(node));
  }

  coordinatesOfNode(node: string): readonly CoordinateEntry[] {
    return this.#only(this.#held.coordinatesOfNode(node), () => this.#seesNode(node));
  }

  #readable(query: QueryEntry | undefined): QueryEntry | undefined {
    if (query && isNamed(query)) this.#rights.assert("query", query.name, "read");
    return query;
  }

  #instances(all: readonly ServiceInstance[]): readonly ServiceInstance[] {
    return this.#only(
      all,
      ({ node, service }) => this.#seesNode(node.name) && this.#seesService(service.name),
    );
  }

  #checks(all: readonly CheckEntry[]): readonly CheckEntry[] {
    return this.#only(all, (check) => seesCheck(this.#rights, check));
  }

  #sessions(all: readonly SessionEntry[]): readonly SessionEntry[] {
    return this.#only(all, ({ node }) => this.#rights.allows("session", node, "read"));
  }

  #seesNode(name: string): boolean {
    return this.#rights.allows("node", name, "read");
  }

  #seesService(name: string): boolean {
    return this.#rights.allows("service", name, "read");
  }

  #seesKey(key: string): boolean {
    return this.#rights.allows("key", key, "read");
  }

  #only<T>(all: readonly T[], sees: (one: T) => boolean): readonly T[] {
    const seen = all.filter(sees);
    if (seen.length === all.length) return all;
    this.#hasFiltered = true;
    return seen;
  }
}

/** A check of a service is told to who may read both. */
export function seesCheck(rights: Rights, check: Pick<CheckEntry, "node" | "serviceName">): boolean {
  return (
    rights.allows("node", check.node, "read") &&
    (check.serviceName === "" || rights.allows("service", check.serviceName, "read"))
  );
}

export function seesChange(rights: Rights, subject: ChangeSubject): boolean {
  switch (subject.kind) {
    case "kv":
      return rights.allows("key", subject.entry.key, "read");
    case "node":
      return rights.allows("node", subject.node.name, "read");
    case "check":
      return seesCheck(rights, subject.check);
    case "instance": {
      const { node, service } = subject.instance;
      return rights.allows("node", node.name, "read") && rights.allows("service", service.name, "read");
    }
    default:
      return subject satisfies never;
  }
}

/** The template that every name fits has the empty name. */
export function isNamed({ name, template }: Pick<QueryEntry, "name" | "template">): boolean {
  return name !== "" || template !== undefined;
}

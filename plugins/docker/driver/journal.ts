/** Docker's pools, networks and endpoints of this node on disk, one store entry each, with all of them in memory. */
import type { Ip } from "../../../addr/index.ts";
import { FabricError } from "../../../errors/index.ts";
import type { Store, Write } from "../../../store/index.ts";
import type { DockerEndpoint, DockerNetwork, DockerPool } from "./records.ts";

export interface DockerJournalLimits {
  /** Pools that Docker holds or that wait to be collected. */
  readonly poolsMax: number;
  readonly networksMax: number;
  readonly endpointsMax: number;
}

export const dockerJournalLimits: DockerJournalLimits = {
  poolsMax: 1024,
  networksMax: 512,
  endpointsMax: 8192,
};

const prefix = "docker/";

/** One kind of record. A change is in memory when it is on disk. */
export class Shelf<T extends { readonly id: string }> {
  readonly #store: Store;
  readonly #kind: string;
  readonly #max: number;
  readonly #entries = new Map<string, T>();

  constructor(store: Store, kind: string, max: number) {
    this.#store = store;
    this.#kind = kind;
    this.#max = max;
  }

  /** @throws DOCKER_JOURNAL_INVALID */
  async load(): Promise<void> {
    for (const { key, value } of (await this.#store.range(`${prefix}${this.#kind}/`)).items) {
      const record = parse<T>(key, value);
      if (this.#keyOf(record.id) !== key) throw unreadable(key);
      this.#entries.set(record.id, record);
    }
  }

  get(id: string): T | undefined {
    return this.#entries.get(id);
  }

  list(): readonly T[] {
    return [...this.#entries.values()];
  }

  /** Answers when the record would survive a crash. @throws DOCKER_LIMIT for a new one beyond the limit */
  async put(record: T): Promise<void> {
    if (!this.#entries.has(record.id) && this.#entries.size >= this.#max) {
      throw new FabricError(
        "DOCKER_LIMIT",
        `keep a Docker ${this.#kind}: this node has ${this.#max} already; remove Docker networks or containers`,
        { details: { limit: this.#max } },
      );
    }
    await this.#write({ op: "put", key: this.#keyOf(record.id), value: Buffer.from(JSON.stringify(record)) });
    this.#entries.set(record.id, record);
  }

  async delete(id: string): Promise<void> {
    if (!this.#entries.has(id)) return;
    await this.#write({ op: "delete", key: this.#keyOf(id) });
    this.#entries.delete(id);
  }

  #keyOf(id: string): string {
    return `${prefix}${this.#kind}/${encodeURIComponent(id)}`;
  }

  async #write(write: Write): Promise<void> {
    await this.#store.txn({ success: [write] });
  }
}

export class DockerJournal {
  readonly pools: Shelf<DockerPool>;
  readonly networks: Shelf<DockerNetwork>;
  readonly endpoints: Shelf<DockerEndpoint>;
  /** By name: fabric networks to be removed, as the Docker network that they were made for is gone. */
  readonly retired: Shelf<{ readonly id: string }>;

  private constructor(store: Store, limits: DockerJournalLimits) {
    this.pools = new Shelf(store, "pool", limits.poolsMax);
    this.networks = new Shelf(store, "network", limits.networksMax);
    this.endpoints = new Shelf(store, "endpoint", limits.endpointsMax);
    this.retired = new Shelf(store, "retired", limits.networksMax);
  }

  /** @throws DOCKER_JOURNAL_INVALID for an entry that cannot be read: guessing would lose or double an address */
  static async open(store: Store, limits: Partial<DockerJournalLimits> = {}): Promise<DockerJournal> {
    const journal = new DockerJournal(store, { ...dockerJournalLimits, ...limits });
    for (const shelf of [journal.pools, journal.networks, journal.endpoints, journal.retired])
      await shelf.load();
    return journal;
  }

  endpointOf(ip: Ip): DockerEndpoint | undefined {
    return this.endpoints.list().find(({ addresses }) => addresses.includes(ip));
  }
}

function parse<T extends { readonly id: string }>(key: string, value: Uint8Array): T {
  try {
    return JSON.parse(Buffer.from(value).toString()) as T;
  } catch {
    throw unreadable(key);
  }
}

function unreadable(key: string): FabricError {
  return new FabricError(
    "DOCKER_JOURNAL_INVALID",
    `open the Docker journal: entry ${JSON.stringify(key)} cannot be read; restore the agent's data directory, or delete the entry after removing its containers`,
    { details: { key } },
  );
}

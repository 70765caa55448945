/**
 * The writes of RegistryWrites over a store. Each resolves when it is durable and this process's registry has
 * applied it, so that a reader who was told "done" reads its own write.
 */
import { randomUUID } from "node:crypto";
import type { Clock } from "../clock/index.ts";
import { FabricError } from "../errors/index.ts";
import type { Store, Write } from "../store/index.ts";
import { CatalogWriter } from "./catalog/catalog-writer.ts";
import { encodeCheck, encodeService } from "./codec.ts";
import { writeCoordinate } from "./coordinate/coordinate-writer.ts";
import { EventWriter } from "./event/event-writer.ts";
import type { HistoryRule } from "./history/history-model.ts";
import { withHistory } from "./history/history-store.ts";
import { HistoryWriter } from "./history/history-writer.ts";
import { KeyedQueue } from "./keyed-queue.ts";
import { checkKey, liveKey, nodeChecksPrefix, nodeServicesPrefix, serviceKey } from "./keys.ts";
import { KvWriter } from "./kv/kv-writer.ts";
import type {
  CheckRecord,
  CheckStatus,
  CoordinateRecord,
  EventEntry,
  EventRecord,
  NodeRecord,
  QueryRecord,
  ServiceRecord,
  SessionEntry,
} from "./model.ts";
import { applied } from "./own-write.ts";
import { QueryWriter } from "./query/query-writer.ts";
import type { RegistryReads } from "./reads.ts";
import type { SessionSpec } from "./session/plan-session.ts";
import { SessionWriter } from "./session/session-writer.ts";
import type { SnapshotRecord } from "./snapshot/snapshot-records.ts";
import { SnapshotWriter } from "./snapshot/snapshot-writer.ts";
import type { TxnAnswer, TxnOperation } from "./txn/txn-model.ts";
import { TxnWriter } from "./txn/txn-writer.ts";
import type { KvPutOptions, KvWriteResult, NodeSync, RegistryWrites, WriteResult } from "./writes.ts";

export interface RegistryWriterOptions {
  readonly store: Store;
  readonly registry: RegistryReads;
  readonly clock: Clock;
  /** Ids of sessions, events and queries. Default: random UUIDs. */
  readonly newId?: () => string;
}

export class RegistryWriter implements RegistryWrites {
  readonly #registry: RegistryReads;
  readonly #clock: Clock;
  readonly #catalog: CatalogWriter;
  readonly #kv: KvWriter;
  readonly #sessions: SessionWriter;
  readonly #events: EventWriter;
  readonly #queries: QueryWriter;
  readonly #txns: TxnWriter;
  readonly #history: HistoryWriter;
  readonly #snapshots: SnapshotWriter;
  readonly #perNode = new KeyedQueue();

  constructor(options: RegistryWriterOptions) {
    this.#registry = options.registry;
    this.#clock = options.clock;
    this.#catalog = new CatalogWriter(options.store, options.registry);
    const keeping = withHistory(options.store, options.registry, options.clock);
    this.#kv = new KvWriter(keeping, options.registry);
    this.#txns = new TxnWriter(keeping, options.registry);
    this.#history = new HistoryWriter(options.store, options.registry);
    this.#snapshots = new SnapshotWriter(options.store, options.registry);
    const newId = options.newId ?? randomUUID;
    this.#sessions = new SessionWriter(keeping, options.registry, newId);
    this.#queries = new QueryWriter(options.store, options.registry, newId);
    this.#events = new EventWriter(options.store, options.registry, newId);
  }

  async upsertNode(node: NodeRecord): Promise<WriteResult> {
    return this.#seen(await this.#catalog.upsertNode(node));
  }

  async removeNode(node: string): Promise<WriteResult> {
    return this.#seen(await this.#catalog.removeNode(node));
  }

  async syncNode(node: string, epoch: number, sync: NodeSync): Promise<WriteResult> {
    return this.#perNode.run(node, async () => {
      const held = sync.full ? await this.#storedBytes(node) : this.#rememberedBytes(node, sync);
      const wanted = wantedBytes(node, sync);
      const writes: Write[] = [];
      for (const [key, value] of wanted)
        if (!same(held.get(key), value)) writes.push({ op: "put", key, value });
      const removed = sync.full ? [...held.keys()] : removedKeys(node, sync);
      // Checks sort before services: nothing is left pointing at a service that is gone.
      for (const key of removed.sort())
        if (!wanted.has(key) && held.has(key)) writes.push({ op: "delete", key });
      return this.#seen(await this.#catalog.writeBelow(node, epoch, writes));
    });
  }

  async registerService(service: ServiceRecord, checks: readonly CheckRecord[] = []): Promise<WriteResult> {
    return this.#put(service.node, { full: false, services: [service], checks });
  }

  async deregisterService(node: string, id: string): Promise<WriteResult> {
    const checks = this.#registry.checksOfNode(node).filter((check) => check.serviceId === id);
    const keys = [...checks.map((check) => checkKey(node, check.id)), serviceKey(node, id)];
    return this.#seen(await this.#catalog.remove(keys.map((key) => ({ op: "delete", key }))));
  }

  async registerCheck(check: CheckRecord): Promise<WriteResult> {
    const { node, serviceId } = check;
    const known = serviceId === "" || this.#registry.serviceOfNode(node, serviceId) !== undefined;
    if (!known) throw notFound("REGISTRY_SERVICE_NOT_FOUND", `register check "${check.id}"`, node, serviceId);
    return this.#put(node, { full: false, services: [], checks: [check] });
  }

  async deregisterCheck(node: string, id: string): Promise<WriteResult> {
    return this.#seen(await this.#catalog.remove([{ op: "delete", key: checkKey(node, id) }]));
  }

  async updateCheck(node: string, id: string, status: CheckStatus, output: string): Promise<WriteResult> {
    const held = this.#registry.checkOfNode(node, id);
    if (!held) throw notFound("REGISTRY_CHECK_NOT_FOUND", "update check", node, id);
    return this.#put(node, { full: false, services: [], checks: [{ ...held, status, output }] });
  }

  async setLive(node: string, lease: string): Promise<WriteResult> {
    const put: Write = { op: "put", key: liveKey(node), value: new Uint8Array(0), lease };
    return this.#seen(await this.#catalog.writeBelow(node, undefined, [put]));
  }

  async clearLive(node: string): Promise<WriteResult> {
    return this.#seen(await this.#catalog.remove([{ op: "delete", key: liveKey(node) }]));
  }

  async kvPut(key: string, value: Uint8Array, options: KvPutOptions = {}): Promise<KvWriteResult> {
    return this.#seen(await this.#kv.put(key, value, options));
  }

  async kvDelete(key: string, options: { readonly cas?: number } = {}): Promise<KvWriteResult> {
    return this.#seen(await this.#kv.delete(key, options.cas));
  }

  async restoreSnapshot(records: readonly SnapshotRecord[]): Promise<WriteResult> {
    return this.#seen({ revision: await this.#snapshots.restore(records), changed: true });
  }

  async putHistoryRule(rule: HistoryRule): Promise<WriteResult> {
    return this.#seen({ revision: await this.#history.put(rule), changed: true });
  }

  async deleteHistoryRule(prefix: string): Promise<WriteResult> {
    return this.#seen({ revision: await this.#history.delete(prefix), changed: true });
  }

  async endKeyTime(lease: string): Promise<void> {
    await this.#seen({ revision: (await this.#kv.endTime(lease)) ?? 0 });
  }

  async kvDeleteTree(prefix: string): Promise<KvWriteResult> {
    return this.#seen(await this.#kv.deleteTree(prefix));
  }

  async txn(operations: readonly TxnOperation[]): Promise<TxnAnswer> {
    return this.#seen(await this.#txns.run(operations));
  }

  async createSession(spec: SessionSpec): Promise<string> {
    return (await this.#seen(await this.#sessions.create(spec))).id;
  }

  renewSession(id: string): Promise<SessionEntry> {
    return this.#sessions.renew(id);
  }

  async endSession(id: string): Promise<void> {
    await this.#seen({ revision: (await this.#sessions.end(id)) ?? 0 });
  }

  async fireEvent(event: Omit<EventRecord, "id">): Promise<EventEntry> {
    return (await this.#seen(await this.#events.fire(event))).event;
  }

  async createQuery(query: Omit<QueryRecord, "id">): Promise<string> {
    return (await this.#seen(await this.#queries.create(query))).id;
  }

  async updateQuery(id: string, query: Omit<QueryRecord, "id">): Promise<void> {
    await this.#seen({ revision: await this.#queries.update(id, query) });
  }

  async deleteQuery(id: string): Promise<void> {
    await this.#seen({ revision: await this.#queries.delete(id) });
  }

  async putCoordinate(coordinate: CoordinateRecord): Promise<WriteResult> {
    return this.#seen(await writeCoordinate(this.#catalog, this.#registry, coordinate));
  }

  async #put(node: string, sync: NodeSync): Promise<WriteResult> {
    return this.#perNode.run(node, async () => {
      const held = this.#rememberedBytes(node, sync);
      const writes: Write[] = [];
      for (const [key, value] of wantedBytes(node, sync))
        if (!same(held.get(key), value)) writes.push({ op: "put", key, value });
      return this.#seen(await this.#catalog.writeBelow(node, undefined, writes));
    });
  }

  async #seen<T extends { readonly revision: number }>(result: T): Promise<T> {
    await applied(this.#registry, this.#clock, result.revision);
    return result;
  }

  /** Of what the change names only: a node may have thousands of others. */
  #rememberedBytes(node: string, { services, checks, removedServices = [], removedChecks = [] }: NodeSync) {
    const held = new Map<string, Uint8Array>();
    for (const id of [...services.map((service) => service.id), ...removedServices]) {
      const service = this.#registry.serviceOfNode(node, id);
      if (service) held.set(serviceKey(node, id), encodeService(service));
    }
    for (const id of [...checks.map((check) => check.id), ...removedChecks]) {
      const check = this.#registry.checkOfNode(node, id);
      if (check) held.set(checkKey(node, id), encodeCheck(check));
    }
    return held;
  }

  async #storedBytes(node: string): Promise<Map<string, Uint8Array>> {
    const items = [
      ...(await this.#catalog.readAll(nodeServicesPrefix(node))),
      ...(await this.#catalog.readAll(nodeChecksPrefix(node))),
    ];
    return new Map(items.map((item) => [item.key, item.value]));
  }
}

/** Services before checks: a check never stands in the catalog before its service. */
function wantedBytes(node: string, sync: NodeSync): Map<string, Uint8Array> {
  const wanted = new Map<string, Uint8Array>();
  for (const service of sync.services)
    wanted.set(serviceKey(node, service.id), encodeService({ ...service, node }));
  for (const check of sync.checks) wanted.set(checkKey(node, check.id), encodeCheck({ ...check, node }));
  return wanted;
}

function removedKeys(node: string, sync: NodeSync): string[] {
  return [
    ...(sync.removedServices ?? []).map((id) => serviceKey(node, id)),
    ...(sync.removedChecks ?? []).map((id) => checkKey(node, id)),
  ];
}

function same(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}

function notFound(
  code: "REGISTRY_SERVICE_NOT_FOUND" | "REGISTRY_CHECK_NOT_FOUND",
  action: string,
  node: string,
  id: string,
): FabricError {
  return new FabricError(code, `${action}: node "${node}" has no "${id}"; register it first`, {
    details: { node, id },
  });
}

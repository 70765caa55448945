/**
 * The services and checks that workloads registered with this node's agent: the node's truth, which the
 * catalog copies. Registrations are journaled before they are answered; each change comes out as a delta for
 * the server, and `snapshot` with `hash` serve the periodic comparison of both (anti-entropy).
 *
 * A change is told to the server while the journal writes it: two commits beside each other instead of one after the
 * other. If the journal fails, what was before is told as well; if the agent dies in between, the comparison after its
 * start takes back what nobody was answered (docs/decisions/018-registrations.md).
 *
 * Always holds: a check's service is registered; ids are unique; counts are within the limits; registering
 * something again keeps the status that its checks have reached, as Consul does.
 */
import { createHash } from "node:crypto";
import { familyOf, isIp, parseIp } from "../../addr/index.ts";
import type { Store } from "../../store/index.ts";
import { mainPort } from "../catalog/plan-ports.ts";
import { cutText, planCheck, planService, type RegisteredCheck } from "../catalog/plan-registration.ts";
import { encodeCheck, encodeService } from "../codec.ts";
import { KeyedQueue } from "../keyed-queue.ts";
import type { CheckStatus, ServiceRecord } from "../model.ts";
import type { NodeSync } from "../writes.ts";
import { full, notFound } from "./agent-errors.ts";
import { AgentJournal, type JournalChange } from "./agent-journal.ts";
import {
  type AgentLimits,
  type CheckDefinition,
  defaultAgentLimits,
  type ServiceDefinition,
} from "./definition.ts";

export interface AgentDelta {
  /** Rises with each change. */
  readonly revision: number;
  /** What changed, ready for syncNode. */
  readonly sync: NodeSync;
  /** Checks whose definition is new or gone: the health runner's part. */
  readonly started: readonly RegisteredCheck[];
  readonly stopped: readonly string[];
}

export interface AgentStateOptions {
  readonly store: Store;
  readonly node: string;
  readonly limits?: Partial<AgentLimits>;
  /** Told when a status could not be journaled; the status itself stands. */
  readonly onJournalError?: (error: unknown) => void;
}

export class AgentState {
  readonly node: string;
  readonly #limits: AgentLimits;
  readonly #journal: AgentJournal;
  readonly #queue = new KeyedQueue();
  readonly #services = new Map<string, ServiceRecord>();
  readonly #checks = new Map<string, RegisteredCheck>();
  readonly #listeners = new Set<(delta: AgentDelta) => void>();
  readonly #onJournalError: (error: unknown) => void;
  #revision = 1;
  #hash: { readonly revision: number; readonly value: string } | undefined;

  /** With what was registered before a restart. */
  static async open(options: AgentStateOptions): Promise<AgentState> {
    const state = new AgentState(options);
    const { services, checks } = await state.#journal.load();
    for (const service of services) state.#services.set(service.id, { ...service, node: options.node });
    for (const { record, definition } of checks) {
      if (record.serviceId !== "" && !state.#services.has(record.serviceId)) continue;
      state.#checks.set(record.id, { record: { ...record, node: options.node }, definition });
    }
    return state;
  }

  private constructor(options: AgentStateOptions) {
    this.node = options.node;
    this.#limits = { ...defaultAgentLimits, ...options.limits };
    this.#journal = new AgentJournal(options.store);
    this.#onJournalError = options.onJournalError ?? (() => undefined);
  }

  get revision(): number {
    return this.#revision;
  }

  services(): readonly ServiceRecord[] {
    return [...this.#services.values()];
  }

  service(id: string): ServiceRecord | undefined {
    return this.#services.get(id);
  }

  checks(): readonly RegisteredCheck[] {
    return [...this.#checks.values()];
  }

  check(id: string): RegisteredCheck | undefined {
    return this.#checks.get(id);
  }

  /** Called, in order, with every change from now on. Returns the unsubscription. */
  onChange(listener: (delta: AgentDelta) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Everything, for a full sync. */
  snapshot(): NodeSync {
    return { full: true, services: this.services(), checks: this.checks().map(({ record }) => record) };
  }

  /** Equal for equal registrations and statuses. */
  hash(): string {
    if (this.#hash?.revision !== this.#revision) {
      const parts = [
        ...this.services().map((service) => `s${Buffer.from(encodeService(service)).toString()}`),
        ...this.checks().map(({ record }) => `c${Buffer.from(encodeCheck(record)).toString()}`),
      ];
      const value = createHash("sha256").update(parts.sort().join("\n")).digest("hex");
      this.#hash = { revision: this.#revision, value };
    }
    return this.#hash.value;
  }

  /**
   * Registers the service with its checks, or changes them. Other checks of the service stay, unless
   * `replaceChecks`. @throws REGISTRY_INVALID, REGISTRY_LIMIT, STORE_UNAVAILABLE
   */
  async registerService(definition: ServiceDefinition, replaceChecks = false): Promise<void> {
    const planned = planService(this.node, withFamilies(definition), this.#limits);
    await this.#queue.run("", async () => {
      const { service } = planned;
      const checks = planned.checks.map((check) => this.#keepStatus(check));
      const listed = new Set(checks.map(({ record }) => record.id));
      const others = this.#checksOf(service.id).filter(({ record }) => !listed.has(record.id));
      const removedChecks = replaceChecks ? others.map(({ record }) => record.id) : [];
      // What stays shows the service's new name and tags.
      const kept = replaceChecks ? [] : others.map((check) => renamed(check, service));
      this.#assertRoom(this.#services, [service.id], this.#limits.servicesMax, "servicesMax");
      this.#assertRoom(this.#checks, [...listed], this.#limits.checksMax, "checksMax");
      if (checks.length + kept.length > this.#limits.checksPerServiceMax)
        throw full(
          `register service "${service.name}"`,
          "checksPerServiceMax",
          this.#limits.checksPerServiceMax,
        );
      await this.#commit({ services: [service], checks: [...checks, ...kept], removedChecks }, checks);
    });
  }

  /** @throws REGISTRY_SERVICE_NOT_FOUND */
  async deregisterService(id: string): Promise<void> {
    await this.#queue.run("", async () => {
      if (!this.#services.has(id)) throw notFound("REGISTRY_SERVICE_NOT_FOUND", "deregister service", id);
      const removedChecks = this.#checksOf(id).map(({ record }) => record.id);
      await this.#commit({ removedServices: [id], removedChecks }, []);
    });
  }

  /** A check of the node, or of a service that is registered. @throws as registerService, REGISTRY_SERVICE_NOT_FOUND */
  async registerCheck(definition: CheckDefinition, serviceId = ""): Promise<void> {
    await this.#queue.run("", async () => {
      const service = this.#services.get(serviceId);
      if (serviceId !== "" && !service)
        throw notFound("REGISTRY_SERVICE_NOT_FOUND", "register check", serviceId);
      const check = this.#keepStatus(planCheck(this.node, definition, service, this.#limits));
      this.#assertRoom(this.#checks, [check.record.id], this.#limits.checksMax, "checksMax");
      const others = this.#checksOf(serviceId).filter(({ record }) => record.id !== check.record.id);
      if (service && others.length >= this.#limits.checksPerServiceMax)
        throw full(
          `register check "${check.record.id}"`,
          "checksPerServiceMax",
          this.#limits.checksPerServiceMax,
        );
      await this.#commit({ checks: [check] }, [check]);
    });
  }

  /** @throws REGISTRY_CHECK_NOT_FOUND */
  async deregisterCheck(id: string): Promise<void> {
    await this.#queue.run("", async () => {
      if (!this.#checks.has(id)) throw notFound("REGISTRY_CHECK_NOT_FOUND", "deregister check", id);
      await this.#commit({ removedChecks: [id] }, []);
    });
  }

  /** What a check found. Effective at once; a change of status is journaled behind. Unknown checks are ignored. */
  setStatus(checkId: string, status: CheckStatus, output: string): void {
    const held = this.#checks.get(checkId);
    if (!held) return;
    const shown = cutText(output, this.#limits.textBytesMax);
    if (held.record.status === status && held.record.output === shown) return;
    const check = { ...held, record: { ...held.record, status, output: shown } };
    this.#apply({ checks: [check] }, []);
    if (held.record.status === status) return;
    this.#queue
      .run("", async () => {
        const now = this.#checks.get(checkId);
        if (now) await this.#journal.write({ checks: [now] });
      })
      .catch(this.#onJournalError);
  }

  async #commit(change: JournalChange, started: readonly RegisteredCheck[]): Promise<void> {
    const before = this.#before(change);
    this.#apply(change, started);
    try {
      await this.#journal.write(change);
    } catch (error) {
      // A result may have come in while the journal was written.
      const checks = before.checks.map((check) => this.#keepStatus(check));
      this.#apply({ ...before, checks }, checks);
      throw error;
    }
  }

  /** The change that takes this one back. */
  #before({ services = [], checks = [], removedServices = [], removedChecks = [] }: JournalChange) {
    const serviceIds = [...services.map(({ id }) => id), ...removedServices];
    const checkIds = [...checks.map(({ record }) => record.id), ...removedChecks];
    return {
      services: serviceIds.flatMap((id) => this.#services.get(id) ?? []),
      checks: checkIds.flatMap((id) => this.#checks.get(id) ?? []),
      removedServices: serviceIds.filter((id) => !this.#services.has(id)),
      removedChecks: checkIds.filter((id) => !this.#checks.has(id)),
    };
  }

  #apply(change: JournalChange, started: readonly RegisteredCheck[]): void {
    const { services = [], checks = [], removedServices = [], removedChecks = [] } = change;
    for (const id of removedChecks) this.#checks.delete(id);
    for (const id of removedServices) this.#services.delete(id);
    for (const service of services) this.#services.set(service.id, service);
    for (const check of checks) this.#checks.set(check.record.id, check);
    this.#revision++;
    const records = checks.map(({ record }) => record);
    const sync = { full: false, services, checks: records, removedServices, removedChecks };
    const delta = { revision: this.#revision, sync, started, stopped: removedChecks };
    for (const listener of this.#listeners) listener(delta);
  }

  #keepStatus(check: RegisteredCheck): RegisteredCheck {
    const held = this.#checks.get(check.record.id)?.record;
    if (!held) return check;
    return { ...check, record: { ...check.record, status: held.status, output: held.output } };
  }

  #checksOf(serviceId: string): RegisteredCheck[] {
    return this.checks().filter(({ record }) => record.serviceId === serviceId);
  }

  #assertRoom(held: ReadonlyMap<string, unknown>, ids: readonly string[], max: number, limit: string): void {
    const more = ids.filter((id) => !held.has(id)).length;
    if (more > 0 && held.size + more > max) throw full("register with the agent", limit, max);
  }
}

function renamed(check: RegisteredCheck, service: ServiceRecord): RegisteredCheck {
  return { ...check, record: { ...check.record, serviceName: service.name, serviceTags: service.tags } };
}

/** An address of either family also stands under the names that Consul's agents give it. */
function withFamilies(definition: ServiceDefinition): ServiceDefinition {
  const { address = "", taggedAddresses = {} } = definition;
  const port = mainPort(definition);
  if (!isIp(address)) return definition;
  const family = `ipv${familyOf(parseIp(address))}`;
  const own = { [`lan_${family}`]: { address, port }, [`wan_${family}`]: { address, port } };
  return { ...definition, taggedAddresses: { ...own, ...taggedAddresses } };
}

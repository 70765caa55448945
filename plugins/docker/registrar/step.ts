/**
 * The registrar's core: what the engine says goes in, what to do comes out. Pure and total.
 *
 * Two kinds of registrations have two lives. A container's services are withdrawn when Docker begins to stop it
 * (a stop signal, a pause), since they promise work; its names stay until it has ended, since they say where it is.
 *
 * Events say when they happened, inspections when the container was started, both by the engine's clock: a mark
 * older than the start is of an earlier life and counts for nothing. So events may be repeated, replayed after a
 * reconnection, or overtaken by an inspection, in any order.
 *
 * Always holds: what is registered for a container is what its plan says; a service id is one container's.
 */
import type { CheckStatus } from "../../../registry/index.ts";
import type { EngineEvent } from "../engine/index.ts";
import type { ContainerFacts, Health } from "./facts.ts";
import { type PlanOptions, planContainer, type Registration } from "./plan.ts";
import { isStopSignal } from "./stop-signal.ts";

export interface StepOptions extends PlanOptions {
  readonly containersMax: number;
}

/** Of a service that carries our marks. */
export interface OwnedService {
  readonly serviceId: string;
  readonly containerId: string;
  readonly digest: string;
}

interface Tracked {
  readonly facts: ContainerFacts | undefined;
  /** When it was last asked to stop. */
  readonly stoppingMs: number;
  /** When it last ended. */
  readonly endedMs: number;
  readonly problems: readonly string[];
}

export interface RegistrarState {
  readonly containers: ReadonlyMap<string, Tracked>;
  readonly registered: ReadonlyMap<string, OwnedService>;
  /** Containers that were left out because there are too many. */
  readonly leftOut: number;
}

export const initialState: RegistrarState = { containers: new Map(), registered: new Map(), leftOut: 0 };

export type RegistrarEvent =
  /** Everything that runs, and everything that is registered in our name: after a gap, both may surprise. */
  | { readonly kind: "listed"; readonly ids: readonly string[]; readonly owned: readonly OwnedService[] }
  | { readonly kind: "inspected"; readonly id: string; readonly facts: ContainerFacts | undefined }
  | { readonly kind: "happened"; readonly event: EngineEvent }
  /** The process of a container is gone while the engine cannot say so. */
  | { readonly kind: "vanished"; readonly id: string }
  /** It was asked to stop long ago. */
  | { readonly kind: "overdue"; readonly id: string }
  /** The agent did not take a registration. */
  | { readonly kind: "refused"; readonly registration: Registration; readonly why: string };

export type RegistrarEffect =
  | { readonly kind: "deregister"; readonly serviceId: string }
  | { readonly kind: "register"; readonly registration: Registration }
  | {
      readonly kind: "status";
      readonly checkId: string;
      readonly status: CheckStatus;
      readonly output: string;
    }
  | { readonly kind: "inspect"; readonly id: string }
  /** Come back with `overdue` when it should have ended. */
  | { readonly kind: "expectEnd"; readonly id: string };

export interface RegistrarStep {
  readonly state: RegistrarState;
  readonly effects: readonly RegistrarEffect[];
}

export function step(state: RegistrarState, event: RegistrarEvent, options: StepOptions): RegistrarStep {
  const draft = new Draft(state, options);
  switch (event.kind) {
    case "listed":
      draft.relist(event.ids, event.owned);
      break;
    case "inspected":
      draft.know(event.id, event.facts);
      break;
    case "happened":
      draft.note(event.event);
      break;
    case "vanished":
      draft.forget(event.id);
      break;
    case "overdue":
      draft.overdue(event.id);
      break;
    case "refused":
      draft.refuse(event.registration, event.why);
      break;
    default:
      event satisfies never;
  }
  return draft.finish();
}

const never = Number.NEGATIVE_INFINITY;
const unknown: Tracked = { facts: undefined, stoppingMs: never, endedMs: never, problems: [] };

class Draft {
  readonly #options: StepOptions;
  readonly #containers: Map<string, Tracked>;
  readonly #registered: Map<string, OwnedService>;
  #leftOut: number;
  /** Withdrawals go first: what is gone must not be answered a moment longer. */
  readonly #withdrawals: RegistrarEffect[] = [];
  readonly #effects: RegistrarEffect[] = [];
  #freed = false;

  constructor(state: RegistrarState, options: StepOptions) {
    this.#options = options;
    this.#containers = new Map(state.containers);
    this.#registered = new Map(state.registered);
    this.#leftOut = state.leftOut;
  }

  finish(): RegistrarStep {
    // A service id that was given up may be what another container waits for.
    if (this.#freed)
      for (const [id, { problems }] of this.#containers) if (problems.length > 0) this.#reconcile(id);
    return {
      state: { containers: this.#containers, registered: this.#registered, leftOut: this.#leftOut },
      effects: [...this.#withdrawals, ...this.#effects],
    };
  }

  relist(ids: readonly string[], owned: readonly OwnedService[]): void {
    this.#registered.clear();
    for (const each of owned) this.#registered.set(each.serviceId, each);
    const taken = ids.slice(0, this.#options.containersMax);
    this.#leftOut = ids.length - taken.length;
    const running = new Set(taken);
    for (const id of [...this.#containers.keys()]) if (!running.has(id)) this.#containers.delete(id);
    for (const { serviceId, containerId } of owned) if (!running.has(containerId)) this.#withdraw(serviceId);
    for (const id of taken) this.#effects.push({ kind: "inspect", id });
  }

  know(id: string, facts: ContainerFacts | undefined): void {
    const known = this.#containers.get(id) ?? unknown;
    if (!facts || known.endedMs >= facts.startedMs) {
      this.forget(id);
      return;
    }
    if (!this.#containers.has(id) && this.#containers.size >= this.#options.containersMax) {
      this.#leftOut++;
      return;
    }
    const before = known.facts?.health;
    this.#containers.set(id, { ...known, facts });
    this.#reconcile(id);
    if (before?.status !== facts.health?.status || before?.output !== facts.health?.output)
      this.#tellHealth(id);
  }

  note({ containerId: id, action, signal, atMs }: EngineEvent): void {
    // Whatever happened, the engine knows more than its event says, and an inspection under way may be older.
    this.#effects.push({ kind: "inspect", id });
    if (!this.#containers.has(id) && this.#containers.size >= this.#options.containersMax) return;
    const known = this.#containers.get(id) ?? unknown;
    const { facts } = known;
    if (facts && atMs < facts.startedMs) return;
    const [verb = "", health] = action.split(": ");
    if (verb === "kill" && isStopSignal(signal, facts?.stopSignal)) {
      this.#containers.set(id, { ...known, stoppingMs: atMs });
      this.#effects.push({ kind: "expectEnd", id });
    } else if (verb === "die" || verb === "destroy")
      this.#containers.set(id, { ...known, endedMs: atMs, facts: undefined });
    else if (verb === "pause" && facts)
      this.#containers.set(id, { ...known, facts: { ...facts, paused: true } });
    else if (verb === "health_status" && facts && isHealth(health)) {
      this.#containers.set(id, { ...known, facts: { ...facts, health: { status: health, output: "" } } });
      this.#tellHealth(id);
    }
    this.#reconcile(id);
  }

  forget(id: string): void {
    this.#containers.delete(id);
    for (const { serviceId, containerId } of this.#registered.values())
      if (containerId === id) this.#withdraw(serviceId);
  }

  overdue(id: string): void {
    const known = this.#containers.get(id);
    if (!known) return;
    this.#containers.set(id, { ...known, stoppingMs: never });
    this.#effects.push({ kind: "inspect", id });
  }

  refuse({ serviceId, definition }: Registration, why: string): void {
    const owner = this.#registered.get(serviceId);
    this.#registered.delete(serviceId);
    const known = owner && this.#containers.get(owner.containerId);
    if (!known) return;
    const problem = `${definition.name}: ${why}`;
    this.#containers.set(owner.containerId, {
      ...known,
      problems: [...known.problems.filter((each) => each !== problem), problem],
    });
  }

  #reconcile(id: string): void {
    const tracked = this.#containers.get(id);
    if (!tracked) return;
    const { registrations, problems } = this.#wanted(tracked);
    const wanted = new Map(registrations.map((each) => [each.serviceId, each]));
    for (const { serviceId, containerId } of [...this.#registered.values()])
      if (containerId === id && !wanted.has(serviceId)) this.#withdraw(serviceId);
    const found = [...problems];
    for (const registration of registrations) {
      const { serviceId, digest } = registration;
      const owner = this.#registered.get(serviceId);
      if (owner && owner.containerId !== id)
        found.push(`service ID "${serviceId}" is that of container ${owner.containerId.slice(0, 12)}`);
      else if (owner?.digest !== digest) {
        this.#registered.set(serviceId, { serviceId, containerId: id, digest });
        this.#effects.push({ kind: "register", registration });
        this.#tellHealthOf(registration, tracked.facts);
      }
    }
    this.#containers.set(id, { ...tracked, problems: found });
  }

  #wanted({ facts, stoppingMs }: Tracked): ReturnType<typeof planContainer> {
    if (!facts) return { registrations: [], problems: [] };
    const plan = planContainer(facts, this.#options);
    if (!facts.paused && stoppingMs < facts.startedMs) return plan;
    return { ...plan, registrations: plan.registrations.filter(({ kind }) => kind === "name") };
  }

  #tellHealth(id: string): void {
    const tracked = this.#containers.get(id);
    if (!tracked) return;
    for (const registration of this.#wanted(tracked).registrations)
      if (this.#registered.get(registration.serviceId)?.containerId === id)
        this.#tellHealthOf(registration, tracked.facts);
  }

  #tellHealthOf({ healthCheck }: Registration, facts: ContainerFacts | undefined): void {
    if (healthCheck === undefined || !facts?.health) return;
    const { status, output } = facts.health;
    this.#effects.push({
      kind: "status",
      checkId: healthCheck,
      status: status === "healthy" ? "passing" : "critical",
      output: output === "" ? `Docker says: ${status}` : output,
    });
  }

  #withdraw(serviceId: string): void {
    this.#registered.delete(serviceId);
    this.#withdrawals.push({ kind: "deregister", serviceId });
    this.#freed = true;
  }
}

function isHealth(text: string | undefined): text is Health {
  return text === "starting" || text === "healthy" || text === "unhealthy";
}

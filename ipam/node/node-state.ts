/**
 * What a node holds, as an immutable value, and the one function that changes it. A change is a journal
 * change, so what is in memory and what a restart finds cannot differ.
 *
 * Cost: a step copies the maps it touches, once: about 30 µs with 1,000 leases, next to an fsync of
 * milliseconds.
 */
import type { Cidr, Ip } from "../../addr/index.ts";
import { type BootInstant, elapsedSince, type HeldTerm } from "../fence.ts";
import type { AddressLease, LeaseOwner, StaticClaim } from "../plan/index.ts";
import { type Block, type Cell, holdsIp, makeBlock, withCell } from "./block.ts";
import type { JournalChange, JournalRecord } from "./lease-journal.ts";

export interface Rest {
  readonly network: string;
  readonly pool: Cidr;
  readonly ip: Ip;
  /** Who held it last; only they may take it back before its time. */
  readonly owner: LeaseOwner;
  readonly untilMs: number;
}

export interface HeldStatic {
  readonly claim: StaticClaim;
  readonly releasing: boolean;
}

export interface NodeState {
  readonly term?: HeldTerm;
  readonly blocks: ReadonlyMap<Cidr, Block>;
  /** Addresses claimed by name through the store, whether leased, resting or on their way back. */
  readonly statics: ReadonlyMap<Ip, HeldStatic>;
  readonly leases: ReadonlyMap<Ip, AddressLease>;
  /** In order of their end. */
  readonly rests: ReadonlyMap<Ip, Rest>;
}

/** Time and options, as far as a step needs them. */
export interface StepContext {
  readonly nowMs: number;
  readonly wallMs: number;
  readonly boot: BootInstant;
  readonly quarantineMs: number;
  readonly marginMs: number;
}

export const emptyState: NodeState = {
  blocks: new Map(),
  statics: new Map(),
  leases: new Map(),
  rests: new Map(),
};

const replayOrder = ["term", "block", "static", "lease", "rest"] as const;

/** The state after a restart: quarantines start anew, and no static claim waits for its owner any more. */
export function restoreState(records: readonly JournalRecord[], context: StepContext): NodeState {
  const draft = new StateDraft(emptyState, context);
  const rank = (record: JournalRecord) => replayOrder.indexOf(record.kind);
  for (const record of records.toSorted((a, b) => rank(a) - rank(b))) draft.apply({ op: "put", record });
  const { state } = draft;
  const statics = [...state.statics].map(([ip, held]): [Ip, HeldStatic] => [
    ip,
    { ...held, releasing: held.releasing || !(state.leases.has(ip) || state.rests.has(ip)) },
  ]);
  return { ...state, statics: new Map(statics) };
}

/** Collects the changes of one step over a state that stays as it is. */
export class StateDraft {
  readonly #context: StepContext;
  readonly #changes: JournalChange[] = [];
  #state: NodeState;
  /** Maps that this draft has copied and may write. */
  readonly #own = new Set<unknown>();

  constructor(state: NodeState, context: StepContext) {
    this.#state = state;
    this.#context = context;
  }

  get state(): NodeState {
    return this.#state;
  }

  get changes(): readonly JournalChange[] {
    return this.#changes;
  }

  put(record: JournalRecord): void {
    this.apply({ op: "put", record });
  }

  drop(kind: "block" | "static" | "lease" | "rest", id: Cidr | Ip): void {
    this.apply({ op: "drop", kind, id });
  }

  apply(change: JournalChange): void {
    this.#changes.push(change);
    switch (change.op) {
      case "put":
        this.#put(change.record);
        break;
      case "drop":
        this.#drop(change);
        break;
      case "clear":
        this.#state = { ...emptyState, ...(this.#state.term ? { term: this.#state.term } : {}) };
        break;
      default:
        change satisfies never;
    }
  }

  /** Also for a renewal that is not worth a journal entry. */
  setTerm(term: HeldTerm): void {
    this.#state = { ...this.#state, term };
  }

  #put(record: JournalRecord): void {
    switch (record.kind) {
      case "term":
        this.#putTerm(record);
        break;
      case "block":
        this.#putBlock(makeBlock(record.claim, record.releasing));
        break;
      case "static":
        this.#writable("statics").set(record.claim.ip, { claim: record.claim, releasing: record.releasing });
        this.#recolour(record.claim.ip);
        break;
      case "lease":
        this.#writable("leases").set(record.lease.ip, record.lease);
        this.#recolour(record.lease.ip);
        break;
      case "rest": {
        const { network, pool, ip, owner } = record;
        const untilMs = this.#context.nowMs + this.#context.quarantineMs;
        this.#writable("rests").set(ip, { network, pool, ip, owner, untilMs });
        this.#recolour(ip);
        break;
      }
      default:
        record satisfies never;
    }
  }

  #putTerm(record: Extract<JournalRecord, { kind: "term" }>): void {
    const spanMs = record.renewed && elapsedSince(record.renewed, this.#context.boot);
    const { epoch, reclaimAfterMs } = record;
    const atMs = spanMs === undefined ? undefined : this.#context.nowMs - spanMs;
    this.setTerm({
      epoch,
      reclaimAfterMs,
      ...(atMs === undefined ? {} : { renewedAtMs: atMs, journaledAtMs: atMs }),
    });
  }

  /** A block may come back after its answer got lost, when the node holds addresses of it by name already. */
  #putBlock(block: Block): void {
    const { cidr } = block.claim;
    const known = this.#state.blocks.get(cidr);
    const isSame = known?.claim.serial === block.claim.serial;
    this.#writable("blocks").set(cidr, isSame ? { ...known, releasing: block.releasing } : block);
    if (isSame) return;
    for (const map of [this.#state.statics, this.#state.leases, this.#state.rests]) {
      for (const ip of map.keys()) if (holdsIp(block, ip)) this.#recolour(ip);
    }
  }

  #drop({ kind, id }: Extract<JournalChange, { op: "drop" }>): void {
    if (kind === "block") {
      this.#writable("blocks").delete(id as Cidr);
      return;
    }
    const table = ({ static: "statics", lease: "leases", rest: "rests" } as const)[kind];
    this.#writable(table).delete(id as Ip);
    this.#recolour(id as Ip);
  }

  /** Sets the address's cell in the node's own block, if it lies in one, to what the tables say. */
  #recolour(ip: Ip): void {
    const block = blockHolding(this.#state, ip);
    if (!block) return;
    const { leases, rests, statics } = this.#state;
    const idle: Cell = statics.has(ip) || block.claim.reserved.includes(ip) ? "reserved" : "free";
    const cell = leases.has(ip) ? "held" : rests.has(ip) ? "resting" : idle;
    this.#writable("blocks").set(block.claim.cidr, withCell(block, ip, cell));
  }

  #writable<K extends "blocks" | "statics" | "leases" | "rests">(key: K): MapOf<NodeState[K]> {
    const current = this.#state[key];
    if (this.#own.has(current)) return current as MapOf<NodeState[K]>;
    const copy = new Map(current as ReadonlyMap<string, unknown>);
    this.#own.add(copy);
    this.#state = { ...this.#state, [key]: copy };
    return copy as MapOf<NodeState[K]>;
  }
}

type MapOf<M> = M extends ReadonlyMap<infer K, infer V> ? Map<K, V> : never;

export function blockHolding(state: NodeState, ip: Ip): Block | undefined {
  for (const block of state.blocks.values()) if (holdsIp(block, ip)) return block;
  return undefined;
}

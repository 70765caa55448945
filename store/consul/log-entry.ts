/**
 * What stands in the log: transactions and lease changes in their order, each entry by one writer. JSON, bytes as
 * base64, so that `consul kv get` shows what happened.
 *
 * Always holds: an entry has the same effect on every replica, since it is applied by the pure core to the same state.
 */
import { FabricError, isFabricError } from "../../errors/index.ts";
import { defaultStoreLimits } from "../core/limits.ts";
import { restoring } from "../core/restoring.ts";
import {
  applyGrant,
  applyLeaseEnd,
  applyTxn,
  applyWrites,
  type Step,
  type StoreState,
} from "../core/state.ts";
import type { Lease, StoreItem, Txn } from "../store.ts";
import { applyHold, type Hold, type HoldCommand, holdOf } from "./hold.ts";

export type Command =
  | { readonly kind: "txn"; readonly txn: Txn }
  | { readonly kind: "grant"; readonly lease: Lease }
  | { readonly kind: "end"; readonly lease: string }
  | HoldCommand;

/** Where the log leads to. */
export interface LogState {
  readonly state: StoreState;
  /** A replacement under way. */
  readonly hold?: Hold | undefined;
}

export interface LogEntry {
  /** Of one attempt at appending; unique. */
  readonly writer: string;
  readonly commands: readonly Command[];
}

export interface Snapshot {
  readonly revision: number;
  readonly leases: readonly Lease[];
  readonly items: readonly StoreItem[];
  readonly hold?: Hold | undefined;
}

export type Outcome =
  | { readonly kind: "done"; readonly result: unknown }
  | { readonly kind: "refused"; readonly error: FabricError };

/** Bounds that could differ from one server to the next are asked before appending, not when an entry is applied. */
const unbounded = { ...defaultStoreLimits, totalBytesMax: Infinity, leasesMax: Infinity };

export function applyCommand(
  log: LogState,
  command: Command,
): LogState & Pick<Step<unknown>, "events"> & { readonly outcome: Outcome } {
  try {
    const { result, hold, ...step } = run(log, command);
    return { ...step, hold, outcome: { kind: "done", result } };
  } catch (error) {
    if (!isFabricError(error)) throw error;
    return { ...log, events: [], outcome: { kind: "refused", error } };
  }
}

function run({ state, hold }: LogState, command: Command): Step<unknown> & Pick<LogState, "hold"> {
  switch (command.kind) {
    case "txn":
      if (hold) throw restoring("store transaction");
      return { ...applyTxn(state, command.txn, unbounded), hold };
    case "grant":
      return { ...applyGrant(state, command.lease, unbounded), hold };
    case "end":
      return { ...applyLeaseEnd(state, command.lease), hold };
    case "hold":
    case "stage":
    case "drop":
      return { state, events: [], result: undefined, hold: applyHold(hold, command) };
    case "replace":
      return { ...applyWrites(state, holdOf(hold, command.id).staged, unbounded), hold: undefined };
    default:
      return command satisfies never;
  }
}

export function encodeCommand(command: Command): string {
  return encode(command);
}

/** Of commands that are encoded already. */
export function encodeEntry(writer: string, commands: readonly string[]): string {
  return `{"writer":${JSON.stringify(writer)},"commands":[${commands.join(",")}]}`;
}

/** @throws STORE_CORRUPT */
export function decodeEntry(text: string, key: string): LogEntry {
  const { writer, commands } = decode(text, key) as Partial<LogEntry>;
  if (typeof writer !== "string" || !Array.isArray(commands)) throw damaged(key);
  return { writer, commands };
}

export function encodeSnapshot(snapshot: Snapshot): string {
  return encode(snapshot);
}

/** @throws STORE_CORRUPT */
export function decodeSnapshot(text: string, key: string): Snapshot {
  const { revision, leases, items, hold } = decode(text, key) as Partial<Snapshot>;
  if (typeof revision !== "number" || !Array.isArray(leases) || !Array.isArray(items)) throw damaged(key);
  return { revision, leases, items, hold };
}

function encode(value: object): string {
  return JSON.stringify(value, function (this: Record<string, unknown>, name: string, shown: unknown) {
    // A Buffer has become something else by now.
    const raw = this[name];
    return raw instanceof Uint8Array ? { base64: Buffer.from(raw).toString("base64") } : shown;
  });
}

function decode(text: string, key: string): object {
  try {
    return Object(
      JSON.parse(text, (_, value: unknown) =>
        typeof value === "object" && value !== null && "base64" in value
          ? new Uint8Array(Buffer.from(String(value.base64), "base64"))
          : value,
      ),
    ) as object;
  } catch {
    throw damaged(key);
  }
}

function damaged(key: string): FabricError {
  return new FabricError(
    "STORE_CORRUPT",
    `read ${key} of Consul: it is not what Heddle writes; restore it, or use another --store-prefix`,
    { details: { key } },
  );
}

/**
 * Gathers an address plan from the nodes that hold it, for a store that was lost or put back to an older copy. Three acts
 * of the operator: `begin`, before a server lets a node in; a look at what nodes stated; `finish`, which takes it over.
 *
 * Always holds: until `finish` has done its last transaction no node has joined and nothing was given; a `finish` that
 * dies on the way is done again from the start and comes to the same.
 */
import type { Clock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { Store, StoreItem, Write } from "../../store/index.ts";
import type { BlockClaim, NetworkRecord, NodeTerm, StaticClaim } from "../plan/index.ts";
import { decodeRecord, encodeRecord, ipamKeys, readAll, readTogether, transaction } from "../plan/index.ts";
import { type Plan, type Rebuilt, rebuild } from "./rebuild.ts";
import type { RecoveryMark } from "./recovery-mark.ts";
import { readStatement, type Statement } from "./statement.ts";

/** Writes of one transaction: stores bound it (Consul: 64 operations, the mark's among them). */
const writesPerTxn = 40;

/** A statement as it was taken down. */
export interface Restated extends Statement {
  readonly atMs: number;
  /** The node's record for the catalog, which this module does not read. */
  readonly record: unknown;
}

export interface RecoveryStatus {
  readonly phase: "none" | RecoveryMark["phase"];
  readonly restated: readonly Restated[];
  readonly rebuilt: Rebuilt | undefined;
}

/** What `begin` writes, for a store that is filled by other means. */
export function gatheringMark(sinceMs: number): { readonly key: string; readonly value: Uint8Array } {
  const mark: RecoveryMark = { phase: "gathering", sinceMs, offset: 0 };
  return { key: ipamKeys.recovery, value: encodeRecord(mark) };
}

export class Recovery {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Nothing happens while one is under way. */
  async begin(): Promise<void> {
    const held = await this.#mark();
    if (held.mark?.phase === "gathering") return;
    const mark: RecoveryMark = {
      phase: "gathering",
      sinceMs: this.#clock.wallMs(),
      offset: held.mark?.offset ?? 0,
    };
    await this.#store.txn(
      transaction([held.unchanged], [{ op: "put", key: ipamKeys.recovery, value: encodeRecord(mark) }]),
    );
  }

  /** What a node holds, instead of what it stated before. @throws IPAM_RECOVERY_STATE, IPAM_REQUEST_INVALID, IPAM_LIMIT */
  async restate(node: string, text: string, record: unknown): Promise<void> {
    const statement = readStatement(node, text);
    const { unchanged } = await this.#gathering(`state what node "${node}" holds`);
    const restated: Restated = { ...statement, atMs: this.#clock.wallMs(), record };
    await this.#store.txn(
      transaction(
        [unchanged],
        [{ op: "put", key: ipamKeys.restatedBy(node), value: encodeRecord(restated) }],
      ),
    );
  }

  async status(gone: readonly string[] = []): Promise<RecoveryStatus> {
    const phase = (await this.#mark()).mark?.phase ?? "none";
    if (phase !== "gathering") return { phase, restated: [], rebuilt: undefined };
    const restated = await this.#read<Restated>(ipamKeys.restated);
    return { phase, restated, rebuilt: rebuild(await this.#standing(), restated, new Set(gone)) };
  }

  /**
   * Takes over what was stated. `gone`: nodes without a running container, as the operator vouches; what they hold
   * becomes free. `enroll` is called with those that are taken over, before anybody can join.
   * @throws IPAM_RECOVERY_STATE, IPAM_RECOVERY_CONFLICT
   */
  async finish(
    gone: readonly string[],
    enroll: (nodes: readonly Restated[]) => Promise<void>,
  ): Promise<RecoveryStatus> {
    const action = "finish the recovery";
    const { unchanged, offset } = await this.#gathering(action);
    const before = await this.status(gone);
    const { rebuilt, restated } = before;
    if (!rebuilt) throw notGathering(action);
    refuseUnlessWhole(rebuilt);
    const wanted = keysOf(rebuilt.plan);
    const held = await this.#planItems();
    const writes: Write[] = [];
    for (const { key } of held) if (!wanted.has(key)) writes.push({ op: "delete", key });
    for (const [key, record] of wanted) writes.push({ op: "put", key, value: encodeRecord(record) });
    for (let at = 0; at < writes.length; at += writesPerTxn)
      await this.#guarded(unchanged, writes.slice(at, at + writesPerTxn), action);
    const vouched = new Set(gone);
    await enroll(restated.filter(({ node, hasLeft }) => !hasLeft && !vouched.has(node)));
    const done: RecoveryMark = { phase: "done", offset: Math.max(offset, rebuilt.offset) };
    const lastCreatedAtMs = Math.max(0, ...rebuilt.plan.networks.map(({ createdAtMs }) => createdAtMs));
    await this.#guarded(
      unchanged,
      [
        { op: "put", key: ipamKeys.recovery, value: encodeRecord(done) },
        { op: "put", key: ipamKeys.plan, value: encodeRecord({ lastCreatedAtMs }) },
        { op: "deletePrefix", prefix: ipamKeys.restated },
      ],
      action,
    );
    return before;
  }

  /** Lets nodes in as a store without recovery does: those of another plan give up what they hold. @throws IPAM_RECOVERY_STATE */
  async cancel(): Promise<void> {
    const { unchanged, offset } = await this.#gathering("cancel the recovery");
    const done: RecoveryMark = { phase: "done", offset };
    await this.#guarded(
      unchanged,
      [
        { op: "put", key: ipamKeys.recovery, value: encodeRecord(done) },
        { op: "deletePrefix", prefix: ipamKeys.restated },
      ],
      "cancel the recovery",
    );
  }

  async #mark() {
    const snapshot = await readTogether(this.#store, [ipamKeys.recovery]);
    return {
      mark: snapshot.get<RecoveryMark>(ipamKeys.recovery),
      unchanged: snapshot.unchanged(ipamKeys.recovery),
    };
  }

  async #gathering(action: string) {
    const { mark, unchanged } = await this.#mark();
    if (mark?.phase !== "gathering") throw notGathering(action);
    return { unchanged, offset: mark.offset };
  }

  async #guarded(
    unchanged: Parameters<typeof transaction>[0][number],
    writes: readonly Write[],
    action: string,
  ): Promise<void> {
    const { succeeded } = await this.#store.txn(transaction([unchanged], writes));
    if (!succeeded) throw notGathering(action);
  }

  async #standing(): Promise<Plan> {
    return {
      networks: await this.#read<NetworkRecord>(ipamKeys.networks),
      terms: await this.#read<NodeTerm>(ipamKeys.nodes),
      retired: await this.#read<NodeTerm>(ipamKeys.retired),
      blocks: await this.#read<BlockClaim>(ipamKeys.blocks),
      statics: await this.#read<StaticClaim>(ipamKeys.statics),
    };
  }

  async #planItems(): Promise<readonly StoreItem[]> {
    const items: StoreItem[] = [];
    const { networks, nodes, retired, blocks, statics, holds } = ipamKeys;
    for (const prefix of [networks, nodes, retired, blocks, statics, holds])
      for await (const item of readAll(this.#store, prefix)) items.push(item);
    return items;
  }

  async #read<T>(prefix: string): Promise<T[]> {
    const records: T[] = [];
    for await (const item of readAll(this.#store, prefix)) records.push(decodeRecord<T>(item));
    return records;
  }
}

/** Everything of the plan by its key. */
function keysOf({ networks, terms, retired, blocks, statics }: Plan): ReadonlyMap<string, unknown> {
  const holds = Map.groupBy(statics, ({ network, block }) => ipamKeys.hold(network, block));
  return new Map<string, unknown>([
    ...networks.map((network) => [ipamKeys.network(network.name), network] as const),
    ...terms.map((term) => [ipamKeys.node(term.node), term] as const),
    ...retired.map((term) => [ipamKeys.retiredTerm(term.node, term.epoch), term] as const),
    ...[...holds].map(([key, claims]) => [key, { ips: claims.map(({ ip }) => ip) }] as const),
    ...statics.map((claim) => [ipamKeys.static(claim.network, claim.ip), claim] as const),
    ...blocks.map((claim) => [ipamKeys.block(claim.network, claim.cidr), claim] as const),
  ]);
}

function refuseUnlessWhole({ conflicts, missing }: Rebuilt): void {
  const [first] = conflicts;
  if (first) {
    throw new FabricError(
      "IPAM_RECOVERY_CONFLICT",
      `finish the recovery: ${first.why}${conflicts.length > 1 ? `, and ${conflicts.length - 1} more` : ""}; stop the containers of one of the nodes and vouch for that with --gone NODE. Nothing was changed`,
      { details: { conflicts: conflicts.slice(0, 20) } },
    );
  }
  if (missing.length > 0) {
    const shown = missing.slice(0, 5).join(", ");
    throw new FabricError(
      "IPAM_RECOVERY_STATE",
      `finish the recovery: ${missing.length} ${missing.length === 1 ? "node" : "nodes"} did not state yet what ${missing.length === 1 ? "it holds" : "they hold"} (${shown}${missing.length > 5 ? ", …" : ""}); wait for them, or vouch that no container of one runs with --gone NODE. Nothing was changed`,
      { details: { missing: missing.slice(0, 100) } },
    );
  }
}

function notGathering(action: string): FabricError {
  return new FabricError(
    "IPAM_RECOVERY_STATE",
    `${action}: no recovery is under way; one begins with \`heddle recover begin\` while no server runs`,
  );
}

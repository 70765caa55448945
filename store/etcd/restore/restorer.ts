/**
 * A replacement of any size over an engine whose transactions are bounded. In this order:
 *
 *   1. the marker is made (`staging`): from here on nobody writes, as every write asks whether there is a marker
 *   2. what is to be written is worked out of what stands, and put beside the store in parts
 *   3. the marker says `applying`: from here on readers wait (see torn-history.ts)
 *   4. part after part is written; each transaction counts on in the marker, and asks that nobody else did
 *   5. marker and parts are deleted: that revision is the replacement's
 *
 * Always holds: at most one attempt writes, as each of its transactions compares the marker that its last one wrote; a
 * server that dies leaves something that any other one takes back (before 3) or finishes (after), `restoreStallMs` after
 * the last sign of it; whoever was overtaken that way writes nothing more.
 */
import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import type { Clock, Timer } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import type { ReplacementWrite } from "../../core/replacement.ts";
import { restoring } from "../../core/restoring.ts";
import { calls } from "../calls.ts";
import type { Cluster } from "../cluster.ts";
import type { Keyspace } from "../keyspace.ts";
import {
  CompareSchema,
  DeleteRangeRequestSchema,
  PutRequestSchema,
  RangeRequestSchema,
  type RequestOp,
  RequestOpSchema,
  TxnRequestSchema,
} from "../proto/gen/etcd_pb.ts";
import {
  decodeMarker,
  decodePart,
  encodeMarker,
  encodePart,
  partsOf,
  type RestoreMarker,
} from "./restore-record.ts";

const modTarget = 2;
const action = "restore";

export interface StandingMarker {
  readonly marker: RestoreMarker;
  readonly modRevision: bigint;
}

export interface RestorerOptions {
  readonly cluster: Pick<Cluster, "call">;
  readonly space: Keyspace;
  readonly clock: Clock;
  /** Silence of a restore under way after which this server goes on with it. */
  readonly stallMs: number;
}

export class Restorer {
  readonly #options: RestorerOptions;
  #timer: Timer | undefined;
  #closed = false;

  constructor(options: RestorerOptions) {
    this.#options = options;
  }

  /**
   * Writes what `plan` says, which runs while nobody writes. Answers the revision that it is seen at, or undefined when
   * another server finished it.
   * @throws STORE_UNAVAILABLE (nothing was changed), STORE_AMBIGUOUS (it is finished, by whom can)
   */
  async replace(plan: () => Promise<readonly ReplacementWrite[]>): Promise<number | undefined> {
    const owner = randomUUID();
    const begun: RestoreMarker = { phase: "staging", owner, done: 0, parts: 0 };
    let held = await this.#step({ marker: undefined, modRevision: 0n }, begun, []);
    if (!held) throw restoring("restore a snapshot");
    try {
      const parts = partsOf(await plan());
      for (const [index, part] of parts.entries()) {
        const next: RestoreMarker = { ...begun, done: index + 1, parts: parts.length };
        const put = putOp(this.#options.space.restoreChunk(index), encodePart(part));
        held = await this.#step(held, next, [put]);
        if (!held) throw restoring("restore a snapshot");
      }
      const applying: RestoreMarker = { phase: "applying", owner, done: 0, parts: parts.length };
      const standing: StandingMarker | undefined = await this.#step(held, applying, []);
      if (!standing) throw restoring("restore a snapshot");
      held = standing;
    } catch (error) {
      if (held) await this.#end(held).catch(() => undefined);
      throw error;
    }
    try {
      return await this.#apply(held);
    } catch (error) {
      throw ambiguous(error);
    }
  }

  /** The marker as of a revision of etcd; 0 is now. */
  async standing(revision = 0): Promise<StandingMarker | undefined> {
    const { cluster, space } = this.#options;
    const { kvs } = await cluster.call(
      calls.range,
      create(RangeRequestSchema, { key: space.restoreKey, revision: BigInt(revision) }),
      { action, repeatable: true },
    );
    const [kv] = kvs;
    return kv && { marker: decodeMarker(kv.value), modRevision: kv.modRevision };
  }

  /** The marker was written just now, by whomever; undefined: it is gone. */
  saw(modRevision: bigint | undefined): void {
    this.#timer?.cancel();
    if (modRevision === undefined || this.#closed) return;
    const { clock, stallMs } = this.#options;
    this.#timer = clock.setTimer(stallMs, () => {
      // A failure here is one more silence.
      this.takeOver(modRevision).catch(() => this.saw(modRevision));
    });
  }

  /** Ends what was left behind, unless somebody went on with it since. */
  async takeOver(modRevision: bigint): Promise<void> {
    const standing = await this.standing();
    if (standing?.modRevision !== modRevision) return;
    const held = await this.#step(standing, { ...standing.marker, owner: randomUUID() }, []);
    if (!held) return;
    if (held.marker.phase === "staging") await this.#end(held);
    else await this.#apply(held);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #apply(from: StandingMarker): Promise<number | undefined> {
    const { cluster, space } = this.#options;
    let held = from;
    while (held.marker.done < held.marker.parts) {
      const { done } = held.marker;
      const { kvs } = await cluster.call(
        calls.range,
        create(RangeRequestSchema, { key: space.restoreChunk(done) }),
        { action, repeatable: true },
      );
      const [part] = kvs;
      // Only the end takes parts away.
      if (!part) return undefined;
      const writes = decodePart(part.value).map((write) =>
        write.op === "put"
          ? putOp(space.key(write.key), write.value)
          : deleteOp({ key: space.key(write.key) }),
      );
      const next = await this.#step(held, { ...held.marker, done: done + 1 }, writes);
      if (!next) return undefined;
      held = next;
    }
    return this.#end(held);
  }

  /** Undefined: somebody else had it in hand. */
  async #end({ modRevision }: StandingMarker): Promise<number | undefined> {
    const { space } = this.#options;
    const { succeeded, revision } = await this.#txn(modRevision, [
      deleteOp(space.restoreChunks()),
      deleteOp({ key: space.restoreKey }),
    ]);
    return succeeded ? revision : undefined;
  }

  /** One transaction of ours, if the marker is still the one that we know; undefined if it is not. */
  async #step(
    held: { readonly marker: RestoreMarker | undefined; readonly modRevision: bigint },
    next: RestoreMarker,
    writes: readonly RequestOp[],
  ): Promise<StandingMarker | undefined> {
    const put = putOp(this.#options.space.restoreKey, encodeMarker(next));
    const { succeeded, revision } = await this.#txn(held.modRevision, [...writes, put]);
    if (succeeded) return { marker: next, modRevision: BigInt(revision) };
    // It may have happened the first time, when the answer got lost.
    const now = await this.standing();
    const isOurs =
      now?.marker.owner === next.owner && now.marker.phase === next.phase && now.marker.done === next.done;
    return isOurs ? now : undefined;
  }

  /** May be sent twice: the second one finds another marker. */
  async #txn(
    modRevision: bigint,
    success: RequestOp[],
  ): Promise<{ readonly succeeded: boolean; readonly revision: number }> {
    const { cluster, space } = this.#options;
    if (this.#closed) throw new FabricError("STORE_CLOSED", `${action}: the store was closed; open it again`);
    const compare = create(CompareSchema, {
      key: space.restoreKey,
      target: modTarget,
      targetUnion: { case: "modRevision", value: modRevision },
    });
    const request = create(TxnRequestSchema, { compare: [compare], success });
    const { succeeded, header } = await cluster.call(calls.txn, request, { action, repeatable: true });
    return { succeeded, revision: Number(header?.revision) };
  }
}

function putOp(key: Uint8Array, value: Uint8Array): RequestOp {
  const put = create(PutRequestSchema, { key, value: new Uint8Array(value) });
  return create(RequestOpSchema, { request: { case: "requestPut", value: put } });
}

function deleteOp(span: { readonly key: Uint8Array; readonly rangeEnd?: Uint8Array }): RequestOp {
  const value = create(DeleteRangeRequestSchema, span);
  return create(RequestOpSchema, { request: { case: "requestDeleteRange", value } });
}

function ambiguous(cause: unknown): FabricError {
  return new FabricError(
    "STORE_AMBIGUOUS",
    "restore a snapshot: the store could not be reached before the end; the first server that reaches it finishes the restore, look then",
    { cause },
  );
}

/**
 * Who this store is: a record made by whoever opens the prefix first. It holds the cluster's id, too: a cluster made
 * anew from a backup counts revisions differently, so there the store gets a new id.
 */
import { create } from "@bufbuild/protobuf";
import { FabricError, isFabricError } from "../../errors/index.ts";
import { decodeStoreRecord, encodeStoreRecord, foreignKeys } from "../core/store-record.ts";
import { calls } from "./calls.ts";
import type { Cluster } from "./cluster.ts";
import type { Keyspace } from "./keyspace.ts";
import { CompareSchema, RangeRequestSchema, RequestOpSchema, TxnRequestSchema } from "./proto/gen/etcd_pb.ts";

const attemptsMax = 5;
const modTarget = 2;

export interface Identity {
  readonly id: string;
  /** Of etcd, when the record was read or made. */
  readonly revision: number;
  /** It was made just now: nothing ever happened to the store. */
  readonly created: boolean;
}

/** @throws STORE_CORRUPT, STORE_SCHEMA_NEWER, and what calls throw */
export async function identify(cluster: Cluster, space: Keyspace, newId: () => string): Promise<Identity> {
  const action = `open store "${space.prefix}"`;
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const { kvs, header } = await cluster.call(
      calls.range,
      create(RangeRequestSchema, { key: space.storeKey }),
      { action, repeatable: true },
    );
    const [record] = kvs;
    if (record) {
      const { id, history } = decodeStoreRecord(record.value, space.prefix);
      if (history === cluster.clusterId) return { id, revision: Number(header?.revision), created: false };
    } else await assertEmpty(cluster, space, header?.revision ?? 0n, action);
    const id = newId();
    const value = encodeStoreRecord({ id, history: cluster.clusterId });
    const request = create(TxnRequestSchema, {
      compare: [
        create(CompareSchema, {
          key: space.storeKey,
          target: modTarget,
          targetUnion: { case: "modRevision", value: record?.modRevision ?? 0n },
        }),
      ],
      success: [
        create(RequestOpSchema, { request: { case: "requestPut", value: { key: space.storeKey, value } } }),
      ],
    });
    try {
      const made = await cluster.call(calls.txn, request, { action, repeatable: false });
      if (made.succeeded) return { id, revision: Number(made.header?.revision), created: !record };
    } catch (error) {
      // Whoever made it, the next look tells.
      if (!isFabricError(error, "STORE_AMBIGUOUS")) throw error;
    }
  }
  throw new FabricError("STORE_UNAVAILABLE", `${action}: its record could not be written; try again`);
}

/** At the revision that had no record: another server may have made it since, and begun to write. */
async function assertEmpty(
  cluster: Cluster,
  space: Keyspace,
  revision: bigint,
  action: string,
): Promise<void> {
  const request = create(RangeRequestSchema, { ...space.whole(), revision, limit: 1n, keysOnly: true });
  const { kvs } = await cluster.call(calls.range, request, { action, repeatable: true });
  if (kvs.length === 0) return;
  throw foreignKeys(space.prefix);
}

import { create } from "@bufbuild/protobuf";
import { expect, it } from "vitest";
import { encodeStoreRecord } from "../core/store-record.ts";
import { calls } from "./calls.ts";
import type { Cluster } from "./cluster.ts";
import { identify } from "./identity.ts";
import { Keyspace } from "./keyspace.ts";
import {
  KeyValueSchema,
  type RangeRequest,
  RangeResponseSchema,
  TxnResponseSchema,
} from "./proto/gen/etcd_pb.ts";

const space = new Keyspace("heddle/");

/** Etcd at revision 5 for the first look, and at 9 since: another server made the record at 6 and wrote beside it. */
function raced(): Pick<Cluster, "call" | "clusterId"> {
  const record = { key: space.storeKey, value: encodeStoreRecord({ id: "theirs", history: "c1" }) };
  const written = [record, { key: Buffer.from("heddle/data/a"), value: Buffer.from("1") }];
  let looks = 0;
  const range = ({ revision, rangeEnd }: RangeRequest) => {
    const atRevision = revision === 0n ? (looks++ === 0 ? 5n : 9n) : revision;
    const found = atRevision < 6n ? [] : rangeEnd.length === 0 ? [record] : written;
    const kvs = found.map((kv) => create(KeyValueSchema, { ...kv, modRevision: 6n }));
    return create(RangeResponseSchema, { header: { revision: atRevision }, kvs });
  };
  const call = async (kind: unknown, message: unknown) =>
    kind === calls.range ? range(message as RangeRequest) : create(TxnResponseSchema, { succeeded: false });
  return { clusterId: "c1", call: call as Cluster["call"] };
}

it("identify() takes the record that another server made, and wrote beside, since the first look", async () => {
  expect(await identify(raced() as Cluster, space, () => "ours")).toMatchObject({
    id: "theirs",
    created: false,
  });
});

/** etcd's methods as grpc-js wants them: a path and two codecs each. Source: etcd's api/etcdserverpb/rpc.proto. */
import { type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import type { MethodDefinition } from "@grpc/grpc-js";
import {
  AuthenticateRequestSchema,
  AuthenticateResponseSchema,
  LeaseGrantRequestSchema,
  LeaseGrantResponseSchema,
  LeaseKeepAliveRequestSchema,
  LeaseKeepAliveResponseSchema,
  LeaseRevokeRequestSchema,
  LeaseRevokeResponseSchema,
  PutRequestSchema,
  PutResponseSchema,
  RangeRequestSchema,
  RangeResponseSchema,
  StatusRequestSchema,
  StatusResponseSchema,
  TxnRequestSchema,
  TxnResponseSchema,
  WatchRequestSchema,
  WatchResponseSchema,
} from "./proto/gen/etcd_pb.ts";

export type Call<Input, Output> = MethodDefinition<Input, Output>;

export const calls = {
  range: call("KV/Range", RangeRequestSchema, RangeResponseSchema),
  put: call("KV/Put", PutRequestSchema, PutResponseSchema),
  txn: call("KV/Txn", TxnRequestSchema, TxnResponseSchema),
  watch: call("Watch/Watch", WatchRequestSchema, WatchResponseSchema, true),
  leaseGrant: call("Lease/LeaseGrant", LeaseGrantRequestSchema, LeaseGrantResponseSchema),
  leaseRevoke: call("Lease/LeaseRevoke", LeaseRevokeRequestSchema, LeaseRevokeResponseSchema),
  leaseKeepAlive: call(
    "Lease/LeaseKeepAlive",
    LeaseKeepAliveRequestSchema,
    LeaseKeepAliveResponseSchema,
    true,
  ),
  authenticate: call("Auth/Authenticate", AuthenticateRequestSchema, AuthenticateResponseSchema),
  status: call("Maintenance/Status", StatusRequestSchema, StatusResponseSchema),
} as const;

function call<Input extends DescMessage, Output extends DescMessage>(
  path: string,
  input: Input,
  output: Output,
  streams = false,
): Call<MessageShape<Input>, MessageShape<Output>> {
  return {
    path: `/etcdserverpb.${path}`,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: (message) => Buffer.from(toBinary(input, message)),
    requestDeserialize: (bytes) => fromBinary(input, bytes),
    responseSerialize: (message) => Buffer.from(toBinary(output, message)),
    responseDeserialize: (bytes) => fromBinary(output, bytes),
  };
}

/**
 * The service of fabric.proto as grpc-js wants it: a path and two codecs a method. A message that was encoded
 * before (a view update that goes to a thousand agents) is passed as bytes and not encoded again.
 */
import {
  type DescMessage,
  type DescMethod,
  fromBinary,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { MethodDefinition } from "@grpc/grpc-js";
import { decodeHeartbeat, encodeHeartbeat } from "./heartbeat-codec.ts";
import {
  type AgentMessage,
  Control,
  Enrollment,
  Renewal,
  type ServerMessage,
  ServerMessageSchema,
} from "./proto/gen/fabric_pb.ts";

export const protocolVersion = 1;

type Methods = typeof Control.method;
type InputOf<Name extends keyof Methods> = MessageShape<Methods[Name]["input"]>;
type OutputOf<Name extends keyof Methods> = MessageShape<Methods[Name]["output"]>;

type Definitions = {
  readonly [Name in keyof Methods]: MethodDefinition<InputOf<Name>, OutputOf<Name> | Uint8Array>;
};

export const controlService: Definitions = {
  session: withHeartbeats(define(Control.method.session)),
  claimBlock: define(Control.method.claimBlock),
  releaseBlock: define(Control.method.releaseBlock),
  claimStatic: define(Control.method.claimStatic),
  releaseStatic: define(Control.method.releaseStatic),
  relinquish: define(Control.method.relinquish),
  restate: define(Control.method.restate),
  http: define(Control.method.http),
  httpStream: define(Control.method.httpStream),
};

export const enrollmentService = {
  authorities: define(Enrollment.method.authorities),
  enroll: define(Enrollment.method.enroll),
  return: define(Enrollment.method.return),
};
export const renewalService = {
  renew: define(Renewal.method.renew),
  serving: define(Renewal.method.serving),
};

export type UnaryName = Exclude<keyof Methods, "session" | "httpStream">;
export type UnaryInput<Name extends UnaryName> = InputOf<Name>;
export type UnaryOutput<Name extends UnaryName> = OutputOf<Name>;

function define<Input extends DescMessage, Output extends DescMessage>(
  method: DescMethod & { readonly input: Input; readonly output: Output },
): MethodDefinition<MessageShape<Input>, MessageShape<Output> | Uint8Array> {
  const streams = method.methodKind === "bidi_streaming";
  return {
    path: `/${method.parent.typeName}/${method.name}`,
    requestStream: streams,
    responseStream: streams,
    requestSerialize: (message) => asBuffer(toBinary(method.input, message)),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: (message) =>
      asBuffer(message instanceof Uint8Array ? message : toBinary(method.output, message)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}

export function encodeServerMessage(message: ServerMessage): Uint8Array {
  return heartbeatOf(message) ?? toBinary(ServerMessageSchema, message);
}

type SessionMethod = MethodDefinition<AgentMessage, ServerMessage | Uint8Array>;

/** The session's codecs with a short cut for what it mostly carries. */
function withHeartbeats(method: SessionMethod): SessionMethod {
  const { requestSerialize, requestDeserialize, responseDeserialize } = method;
  const read = <T extends AgentMessage | ServerMessage>(
    $typeName: T["$typeName"],
    bytes: Uint8Array,
  ): T | undefined => {
    const sequence = decodeHeartbeat(bytes);
    if (sequence === undefined) return undefined;
    const value = { $typeName: "heddle.control.v1.Heartbeat" as const, sequence };
    return { $typeName, kind: { case: "heartbeat", value } } as T;
  };
  return {
    ...method,
    requestSerialize: (message) => {
      const bytes = heartbeatOf(message);
      return bytes ? asBuffer(bytes) : requestSerialize(message);
    },
    requestDeserialize: (bytes) =>
      read<AgentMessage>("heddle.control.v1.AgentMessage", bytes) ?? requestDeserialize(bytes),
    responseDeserialize: (bytes) =>
      read<ServerMessage>("heddle.control.v1.ServerMessage", bytes) ?? responseDeserialize(bytes),
  };
}

function heartbeatOf({ kind }: AgentMessage | ServerMessage): Uint8Array | undefined {
  return kind.case === "heartbeat" ? encodeHeartbeat(kind.value.sequence) : undefined;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

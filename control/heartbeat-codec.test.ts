import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeHeartbeat, encodeHeartbeat } from "./heartbeat-codec.ts";
import { AgentMessageSchema, ServerMessageSchema } from "./proto/gen/fabric_pb.ts";

const schemas = [AgentMessageSchema, ServerMessageSchema] as const;
const sequence = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.bigInt({ min: 0n, max: 300n }));

test("heartbeats by hand are those of the general codec, in both directions", () => {
  fc.assert(
    fc.property(sequence, fc.constantFrom(...schemas), (number, schema) => {
      const value = { $typeName: "heddle.control.v1.Heartbeat" as const, sequence: number };
      const bytes = toBinary(schema, create(schema, { kind: { case: "heartbeat", value } }));
      const own = encodeHeartbeat(number);
      expect(own === undefined).toBe(number >= 2n ** 49n);
      if (own) expect(Buffer.from(own)).toEqual(Buffer.from(bytes));
      expect(decodeHeartbeat(bytes)).toBe(own && number);
    }),
  );
});

test("bytes that are read by hand mean the same to the general codec", () => {
  const nearly = fc.array(fc.oneof(fc.constantFrom(0x12, 0x08, 0, 1, 2, 3, 0x80), fc.nat(255)), {
    maxLength: 12,
  });
  fc.assert(
    fc.property(nearly, fc.boolean(), (tail, isFramed) => {
      const bytes = Uint8Array.from(isFramed ? [0x12, tail.length, 0x08, ...tail.slice(1)] : tail);
      const number = decodeHeartbeat(bytes);
      if (number === undefined) return;
      const { kind } = fromBinary(ServerMessageSchema, bytes);
      expect(kind.case === "heartbeat" && kind.value.sequence).toBe(number);
    }),
    { numRuns: 2000 },
  );
});

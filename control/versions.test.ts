/** Agents and servers of different releases: what one does not know yet is passed over, another protocol is refused in words. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { readWelcome } from "./agent/greeting.ts";
import { protocolVersion } from "./control-service.ts";
import {
  AgentMessageSchema,
  HelloSchema,
  ServerMessageSchema,
  WelcomeSchema,
} from "./proto/gen/fabric_pb.ts";
import { readHello } from "./server/session/read-hello.ts";
import { decodeError } from "./wire-error.ts";

const hello = create(HelloSchema, {
  protocol: protocolVersion,
  node: "n1",
  id: "6f1b2c3d-0000-4000-8000-000000000001",
  version: "0.1.0",
  address: "192.0.2.1",
  zone: "a",
  underlay: ["192.0.2.1"],
  vtepMac: "02:00:00:00:00:01",
  vxlanPort: 4789,
});

/** Field 900, a text: what a later release may have added. */
const later = Uint8Array.of(0xa2, 0x38, 0x03, 0x61, 0x62, 0x63);

function withLater(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([bytes, later]);
}

describe("a release", () => {
  it.each([0, protocolVersion + 1])("refuses protocol %i and names both", (protocol) => {
    const refused = () => readHello({ ...hello, protocol });
    expect(refused).toThrow(expect.objectContaining({ code: "CONTROL_PROTOCOL" }));
    expect(refused).toThrow(`protocol ${protocol}, this server ${protocolVersion}`);
  });

  it("takes a later agent's hello, and passes over what it does not know in it", () => {
    const read = fromBinary(HelloSchema, withLater(toBinary(HelloSchema, hello)));
    expect(readHello(read)).toEqual(readHello(hello));
  });

  it("takes a later server's welcome, and an earlier one's that lacks what was added since", () => {
    const welcome = create(WelcomeSchema, { server: "s", version: "1", storeId: "x", epoch: 3n });
    const bytes = toBinary(WelcomeSchema, welcome);
    const expected = { server: "s", storeId: "x", epoch: 3, takenOver: false };
    expect(readWelcome(fromBinary(WelcomeSchema, withLater(bytes)), 0)).toMatchObject(expected);
    expect(readWelcome(fromBinary(WelcomeSchema, bytes), 0)).toMatchObject(expected);
  });

  it("passes over messages of a kind that it does not know", () => {
    for (const schema of [AgentMessageSchema, ServerMessageSchema])
      expect(fromBinary(schema, later).kind.case).toBeUndefined();
  });

  it("takes an error with a code that it does not know for one of the connection, not for its own", () => {
    const text = JSON.stringify({ code: "LATER_CODE", message: "later", details: {} });
    expect(decodeError(text)).toBeUndefined();
  });
});

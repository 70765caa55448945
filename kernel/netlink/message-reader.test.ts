/** The reader of netlink messages against hostile bytes. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Ip } from "../../addr/index.ts";
import { FabricError } from "../../errors/index.ts";
import { readAddress } from "./address-codec.ts";
import { readLink, writeLinkSpec } from "./link-codec.ts";
import { readAttributes, readMessages, readVerdict } from "./message-reader.ts";
import { MessageWriter } from "./message-writer.ts";
import { readFdbEntry, readNeighbour } from "./neighbour-codec.ts";
import { readRoute, readRoutePath } from "./route-codec.ts";
import { readRule } from "./rule-codec.ts";

const readers = { readLink, readAddress, readRoute, readRoutePath, readRule, readNeighbour, readFdbEntry };

/** Runs the action; anything thrown must be ours. */
function survives(action: () => unknown): void {
  try {
    action();
  } catch (error) {
    expect(error).toBeInstanceOf(FabricError);
  }
}

function exampleMessage(): Buffer {
  const writer = new MessageWriter();
  writer.begin(16, 0, 7);
  const local = "10.0.0.1" as Ip;
  writeLinkSpec(writer, { kind: "vxlan", name: "vx", vni: 7, port: 4789, local, learning: true });
  writer.end();
  return Buffer.from(writer.bytes);
}

describe("readMessages()", () => {
  test("ends on any bytes, with messages or an error of ours", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        survives(() => [...readMessages(bytes)].map(readVerdict));
      }),
      { numRuns: 2000 },
    );
  });

  test("refuses each truncation of a message", () => {
    const whole = exampleMessage();
    for (let length = 1; length < whole.length; length++) {
      expect(() => [...readMessages(whole.subarray(0, length))], `${length} bytes`).toThrow(FabricError);
    }
    expect([...readMessages(whole)]).toHaveLength(1);
  });

  test("does not stand still on a message of length zero", () => {
    expect(() => [...readMessages(new Uint8Array(64))]).toThrow(FabricError);
  });
});

describe.each(Object.entries(readers))("%s()", (_name, read) => {
  test("survives any body", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => survives(() => read(Buffer.from(bytes)))),
      { numRuns: 1000 },
    );
  });

  test("survives a body of plausible attributes", () => {
    const attribute = fc.tuple(fc.integer({ min: 0, max: 40 }), fc.uint8Array({ maxLength: 24 }));
    const family = fc.constantFrom(0, 2, 7, 10);
    fc.assert(
      fc.property(
        family,
        fc.uint8Array({ minLength: 15, maxLength: 15 }),
        fc.array(attribute),
        (first, head, rows) => {
          const writer = new MessageWriter();
          writer.u8(first);
          for (const byte of head) writer.u8(byte);
          for (const [type, value] of rows) writer.attribute(type, value);
          survives(() => read(Buffer.from(writer.bytes)));
        },
      ),
      { numRuns: 1000 },
    );
  });

  test("survives flipped bytes of a real message", () => {
    const whole = exampleMessage().subarray(16);
    fc.assert(
      fc.property(fc.nat({ max: whole.length - 1 }), fc.nat({ max: 255 }), (at, value) => {
        const bent = Buffer.from(whole);
        bent[at] = value;
        survives(() => read(bent));
      }),
      { numRuns: 1000 },
    );
  });
});

test("an attribute that claims more than there is is refused", () => {
  expect(() => readAttributes(Buffer.from([200, 0, 1, 0, 1, 2]), 0)).toThrow(/length does not fit/);
});

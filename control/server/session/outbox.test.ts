import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { ServerMessageSchema } from "../../proto/gen/fabric_pb.ts";
import { Outbox } from "./outbox.ts";

function connection(windowBytes: number) {
  const taken: (() => void)[] = [];
  const sent: Uint8Array[] = [];
  const writeFrame = (bytes: Uint8Array, done: () => void = () => {}) => {
    sent.push(bytes);
    taken.push(done);
  };
  const outbox = new Outbox({ writeFrame }, windowBytes);
  return { outbox, sent, take: () => taken.shift()?.(), inFlight: () => taken.length };
}

const messageOf = (frame: Uint8Array) => frame.subarray(5);

const beat = (sequence: bigint) =>
  ({
    case: "heartbeat",
    value: { $typeName: "heddle.control.v1.Heartbeat", sequence },
  }) as const;

describe("Outbox", () => {
  it("hands over no more than the window, and asks for an update only when it can be sent", () => {
    const { outbox, sent, take } = connection(10);
    const asked: string[] = [];
    const update = (name: string) => () => {
      asked.push(name);
      return [new Uint8Array(6)];
    };
    for (const name of ["a", "b", "c"]) outbox.mark(name, update(name));
    expect(asked).toEqual(["a", "b"]);
    outbox.mark("c", update("c"));
    take();
    expect(asked).toEqual(["a", "b", "c"]);
    expect(sent).toHaveLength(3);
  });

  it("sends other messages between the parts of an update, the newest of each slot", () => {
    const { outbox, sent, take } = connection(1);
    outbox.mark("a", () => [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)]);
    outbox.send("heartbeat", beat(1n));
    outbox.send("heartbeat", beat(2n));
    for (let n = 0; n < 4; n += 1) take();
    expect(sent.map((bytes) => bytes.length)).toEqual([1, expect.any(Number), 1, 1]);
    expect(fromBinary(ServerMessageSchema, messageOf(sent[1] as Uint8Array)).kind.value).toMatchObject({
      sequence: 2n,
    });
  });

  it("sends nothing more of a forgotten view, and nothing at all once closed", () => {
    const { outbox, sent, take, inFlight } = connection(1);
    outbox.mark("a", () => [Uint8Array.of(1), Uint8Array.of(2)]);
    outbox.mark("b", () => [Uint8Array.of(7)]);
    outbox.forget("a");
    take();
    expect(sent.map((bytes) => bytes[0])).toEqual([1, 7]);
    outbox.mark("c", () => [Uint8Array.of(9)]);
    outbox.close();
    take();
    expect(sent).toHaveLength(2);
    expect(inFlight()).toBe(0);
  });
});

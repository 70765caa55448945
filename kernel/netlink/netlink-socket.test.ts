/** Conversations over a channel that answers what the test wants. */
import { describe, expect, test } from "vitest";
import { flag, messageType } from "./constants.ts";
import { MessageWriter } from "./message-writer.ts";
import { dumpAttemptsMax, type NetlinkChannel, NetlinkSocket } from "./netlink-socket.ts";

const interrupted = 0x10;

/** Answers each request, whose sequence number it is told, with datagrams. */
function channel(
  answer: (sequence: number, nth: number) => readonly Buffer[],
): NetlinkChannel & { asked: number } {
  const queue: Buffer[] = [];
  return {
    asked: 0,
    send(bytes) {
      queue.push(...answer(Buffer.from(bytes).readUInt32LE(8), this.asked++));
      return bytes.length;
    },
    receive(buffer) {
      const next = queue.shift();
      if (!next) return -11;
      buffer.set(next.subarray(0, buffer.length));
      return next.length;
    },
    close: () => undefined,
  };
}

function message(type: number, sequence: number, flags: number, body: Uint8Array): Buffer {
  const writer = new MessageWriter();
  writer.begin(type, flags, sequence);
  for (const byte of body) writer.u8(byte);
  writer.end();
  return Buffer.from(writer.bytes);
}

const row = (sequence: number, value: number, flags = 0) =>
  message(16, sequence, flags, Buffer.from([value, 0, 0, 0]));
const done = (sequence: number, flags = 0) => message(messageType.done, sequence, flags, Buffer.alloc(4));
const first = (body: Buffer) => body[0];
const nothing = () => undefined;

describe("dump()", () => {
  test("reads a table again when it changed meanwhile, and answers the whole one only", () => {
    const answers = channel((sequence, nth) =>
      nth < 2
        ? [row(sequence, 1, interrupted), done(sequence)]
        : [row(sequence, 2), row(sequence, 3), done(sequence)],
    );
    expect(new NetlinkSocket(answers).dump("list", 18, nothing, first)).toEqual([2, 3]);
    expect(answers.asked).toBe(3);
  });

  test("gives up on a table that changes without end", () => {
    const answers = channel((sequence) => [row(sequence, 1), done(sequence, interrupted)]);
    expect(() => new NetlinkSocket(answers).dump("list", 18, nothing, first)).toThrow(
      expect.objectContaining({ code: "KERNEL_DUMP_INTERRUPTED" }),
    );
    expect(answers.asked).toBe(dumpAttemptsMax);
  });

  test("passes over what belongs to an earlier conversation", () => {
    const answers = channel((sequence) => [row(sequence - 1, 9), row(sequence, 1), done(sequence)]);
    expect(new NetlinkSocket(answers).dump("list", 18, nothing, first)).toEqual([1]);
  });

  test("says so when Linux stays silent, and when an answer is longer than the buffer", () => {
    const silent = new NetlinkSocket(channel(() => []));
    expect(() => silent.dump("list", 18, nothing, first)).toThrow(
      expect.objectContaining({ code: "KERNEL_NO_ANSWER" }),
    );
    const long = new NetlinkSocket(channel((sequence) => [row(sequence, 1), Buffer.alloc(100_000)]));
    expect(() => long.dump("list", 18, nothing, first)).toThrow(
      expect.objectContaining({ code: "KERNEL_NO_ANSWER" }),
    );
  });
});

test("ask() puts the kernel's own sentence into the error", () => {
  const sentence = Buffer.from("Nexthop has invalid gateway\0");
  const body = Buffer.alloc(20 + 4 + sentence.length);
  body.writeInt32LE(-101, 0);
  body.writeUInt16LE(4 + sentence.length, 20);
  body.writeUInt16LE(1, 22);
  body.set(sentence, 24);
  const flags = flag.capped | flag.ackAttributes;
  const socket = new NetlinkSocket(
    channel((sequence) => [message(messageType.error, sequence, flags, body)]),
  );
  expect(() => socket.ask("ip route add", 24, nothing)).toThrow(
    expect.objectContaining({
      code: "KERNEL_REFUSED",
      message: "ip route add: Linux answers ENETUNREACH: Nexthop has invalid gateway",
    }),
  );
});

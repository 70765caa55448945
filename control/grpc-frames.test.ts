import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeFrame, FrameReader } from "./grpc-frames.ts";

test("messages are read as they were written, however the bytes are cut", () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
  fc.assert(
    fc.property(messages, fc.array(fc.integer({ min: 1, max: 23 }), { minLength: 1 }), (sent, cuts) => {
      const bytes = Buffer.concat(sent.map(encodeFrame));
      const reader = new FrameReader(40);
      const read: Buffer[] = [];
      for (let at = 0, i = 0; at < bytes.length; i++) {
        const end = at + (cuts[i % cuts.length] ?? 1);
        read.push(...reader.read(bytes.subarray(at, end)));
        at = end;
      }
      expect(read).toEqual(sent.map((message) => Buffer.from(message)));
    }),
  );
});

test("a message that is longer than allowed, or compressed, is refused at its head", () => {
  expect(() => new FrameReader(9).read(encodeFrame(new Uint8Array(10)).subarray(0, 5))).toThrow(
    expect.objectContaining({ code: "CONTROL_LIMIT" }),
  );
  expect(() => new FrameReader(9).read(Buffer.of(1, 0, 0, 0, 0))).toThrow(
    expect.objectContaining({ code: "CONTROL_PROTOCOL" }),
  );
});

import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type ErrorCode, errorCodes, FabricError } from "../errors/index.ts";
import { decodeError, encodeError, fromServiceError, toWireStatus } from "./wire-error.ts";

function received({ code, details, metadata }: ReturnType<typeof toWireStatus>): ServiceError {
  return Object.assign(new Error(details), { code, details, metadata });
}

describe("errors", () => {
  it("are the same on the other side", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(errorCodes) as ErrorCode[])),
        fc.string({ unit: "grapheme", maxLength: 200 }),
        fc.dictionary(fc.string(), fc.jsonValue()),
        (code, message, details) => {
          fc.pre(JSON.stringify(details).length < 2000);
          const back = fromServiceError(
            received(toWireStatus(new FabricError(code, message, { details }))),
            "act",
            "s",
          );
          expect(JSON.stringify(back)).toEqual(JSON.stringify(new FabricError(code, message, { details })));
        },
      ),
    );
  });

  it("that are long are cut, not lost", () => {
    const long = new FabricError("CONTROL_LIMIT", "é".repeat(50_000), { details: { a: "b".repeat(50_000) } });
    const text = encodeError(long);
    expect(Buffer.byteLength(text)).toBeLessThan(4096);
    expect(decodeError(text)?.code).toBe("CONTROL_LIMIT");
  });

  it("of a stranger are never more than unavailable", () => {
    for (const text of [
      "",
      "{",
      "null",
      "[]",
      '{"code":"X","message":"m"}',
      '{"code":"constructor","message":"m"}',
      '{"code":"CONTROL_LIMIT"}',
    ]) {
      expect(decodeError(text)).toBeUndefined();
    }
    const plain = Object.assign(new Error("x"), {
      code: status.UNAVAILABLE,
      details: "x",
      metadata: new Metadata(),
    });
    expect(fromServiceError(plain, "act", "s").code).toBe("CONTROL_UNAVAILABLE");
  });
});

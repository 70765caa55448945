import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cidrFirst, cidrFromIp, ipFromBytes, ipToBytes } from "../../addr/index.ts";
import { clientSubnetOption } from "../wire/index.ts";
import { clientSubnetOf, replySubnet } from "./client-subnet.ts";

function edns(...data: readonly number[]) {
  const option = { code: clientSubnetOption, data: Uint8Array.from(data) };
  return { udpBytes: 1232, version: 0, dnssecOk: false, options: [option] };
}

describe("clientSubnetOf()", () => {
  test.each([
    [[0, 1, 24, 0, 10, 1, 2], "10.1.2.0/24"],
    [[0, 1, 9, 0, 10, 128], "10.128.0.0/9"],
    [[0, 1, 32, 0, 10, 1, 2, 3], "10.1.2.3/32"],
    [[0, 2, 48, 0, 0xfd, 0, 0, 0, 0, 1], "fd00:0:1::/48"],
    [[0, 1, 0, 0], undefined],
    [[0, 0, 0, 0], undefined],
  ])("%j asks for %s", (data, subnet) => {
    expect(clientSubnetOf(edns(...data))).toMatchObject({ subnet });
  });

  test.each([
    [[]],
    [[0, 1, 24]],
    [[0, 1, 24, 24, 10, 1, 2]],
    [[0, 1, 24, 0, 10, 1]],
    [[0, 1, 24, 0, 10, 1, 2, 3]],
    [[0, 1, 23, 0, 10, 1, 3]],
    [[0, 1, 33, 0, 10, 1, 2, 3, 0]],
    [[0, 3, 8, 0, 10]],
    [[0, 0, 8, 0, 10]],
    [[0, 1, 0, 0, 0]],
  ])("%j is malformed", (data) => {
    expect(clientSubnetOf(edns(...data))).toBe("malformed");
  });

  test("reads what was written, for every prefix, and answers it back", () => {
    const ip = fc.oneof(
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
    );
    fc.assert(
      fc.property(ip, fc.nat(128), fc.boolean(), (bytes, wanted, tailored) => {
        const prefix = 1 + (wanted % (bytes.length * 8));
        const cidr = cidrFromIp(ipFromBytes(bytes), prefix);
        const address = ipToBytes(cidrFirst(cidr)).subarray(0, Math.ceil(prefix / 8));
        const asked = clientSubnetOf(edns(0, bytes.length === 4 ? 1 : 2, prefix, 0, ...address));
        expect(asked).toMatchObject({ subnet: cidr });
        if (!asked || asked === "malformed") return;
        const { data } = replySubnet(asked, tailored);
        expect([...data]).toEqual([0, bytes.length === 4 ? 1 : 2, prefix, tailored ? prefix : 0, ...address]);
      }),
    );
  });

  test("no octets crash it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 24 }), (data) => {
        expect(clientSubnetOf(edns(...data))).toBeDefined();
      }),
    );
    expect(clientSubnetOf(undefined)).toBeUndefined();
  });
});

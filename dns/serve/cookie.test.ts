/** Cookies against the examples of RFC 9018, and who is believed. */
import { describe, expect, test } from "vitest";
import { type Ip, ipToBytes, parseIp } from "../../addr/index.ts";
import { ClientView, CookieJar } from "./cookie.ts";
import { sipHash } from "./siphash.ts";

const hex = (text: string) => new Uint8Array(Buffer.from(text, "hex"));

function client(ip: Ip, nowSeconds: number): ClientView {
  const view = new ClientView();
  view.bytes = ipToBytes(ip);
  view.length = view.bytes.length;
  view.nowSeconds = nowSeconds;
  return view;
}

function answered(jar: CookieJar, shown: Uint8Array, who: ClientView): string {
  const out = new Uint8Array(24);
  jar.write(shown, 0, jar.isValid(shown, 0, shown.length, who), who, out, 0);
  return Buffer.from(out).toString("hex");
}

describe("SipHash-2-4", () => {
  test.each([
    [0, "310e0edd47db6f72"],
    [1, "fd67dc93c539f874"],
    [8, "6224939a79f5f593"],
    [15, "e545be4961ca29a1"],
  ])("of %i bytes is that of its authors' reference", (length, expected) => {
    const counting = Uint8Array.from({ length: 16 }, (_, i) => i);
    const out = new Uint8Array(8);
    sipHash(counting, counting, length, out, 0);
    expect(Buffer.from(out).toString("hex")).toBe(expected);
  });
});

describe("a server cookie", () => {
  const secret = hex("e5e973e5a6b2a43f48e7dc849e37bfcf");
  const ip = parseIp("198.51.100.100");

  test("is that of RFC 9018 appendix A.1 for a new client", () => {
    const jar = new CookieJar({ secrets: [secret], required: false });
    expect(answered(jar, hex("2464c4abcf10c957"), client(ip, 1_559_731_985))).toBe(
      "2464c4abcf10c957010000005cf79f111f8130c3eee29480",
    );
  });

  test("of an old secret is believed, and renewed by the new one (RFC 9018 appendix A.4)", () => {
    const secrets = [hex("445536bcd2513298075a5d379663c962"), hex("dd3bdf9344b678b185a6f5cb60fca715")];
    const jar = new CookieJar({ secrets, required: false });
    const who = client(parseIp("2001:db8:220:1:59de:d0f4:8769:82b8"), 1_559_741_961);
    const shown = hex("22681ab97d52c298010000005cf7c57926556bd0934c72f8");
    expect(jar.isValid(shown, 0, shown.length, who)).toBe(true);
    who.nowSeconds = 1_559_741_817 + 1800;
    expect(answered(jar, shown, who)).not.toBe(Buffer.from(shown).toString("hex"));
    expect(jar.isValid(hex(answered(jar, shown, who)), 0, 24, who)).toBe(true);
  });

  test("is believed for an hour by the address that got it, and nobody else", () => {
    const jar = new CookieJar({ secrets: [secret], required: false });
    const bornSeconds = 1_700_000_000;
    const shown = hex(answered(jar, hex("0102030405060708"), client(ip, bornSeconds)));
    const believed = (who: Ip, nowSeconds: number, bytes = shown) =>
      jar.isValid(bytes, 0, bytes.length, client(who, nowSeconds));
    expect(believed(ip, bornSeconds)).toBe(true);
    expect(believed(ip, bornSeconds + 3600)).toBe(true);
    expect(believed(ip, bornSeconds + 3601)).toBe(false);
    expect(believed(ip, bornSeconds - 300)).toBe(true);
    expect(believed(ip, bornSeconds - 301)).toBe(false);
    expect(believed(parseIp("198.51.100.101"), bornSeconds)).toBe(false);
    for (let i = 0; i < 24; i++) {
      const changed = shown.slice();
      changed[i] = (changed[i] as number) ^ 1;
      expect(believed(ip, bornSeconds, changed)).toBe(false);
    }
  });

  test("stays the same for half an hour, and is a new one then", () => {
    const jar = new CookieJar({ secrets: [secret], required: false });
    const shown = answered(jar, hex("0102030405060708"), client(ip, 1_700_000_000));
    expect(answered(jar, hex(shown), client(ip, 1_700_001_799))).toBe(shown);
    expect(answered(jar, hex(shown), client(ip, 1_700_001_800))).not.toBe(shown);
  });
});

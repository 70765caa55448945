/** The codec against itself (properties), against two public codecs (oracles) and against mutated bytes (fuzz). */

import dnsPacket from "dns-packet";
import dns2 from "dns2";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, ipFromBytes } from "../../addr/index.ts";
import { isFabricError } from "../../errors/index.ts";
import {
  type DnsRecord,
  decodeMessage,
  emptyMessage,
  encodeMessage,
  type KnownType,
  knownTypes,
  type Layout,
  layouts,
  type Message,
  nameFromLabels,
  nameLabels,
  type Rdata,
  typeNumbers,
} from "./index.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

const latin1 = (max: number) =>
  fc
    .array(fc.integer({ min: 0, max: 255 }), { maxLength: max })
    .map((codes) => String.fromCharCode(...codes));
const label = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom("web", "Web", "consul", "node", "dc1", "a", "_tcp") },
  { weight: 2, arbitrary: fc.stringMatching(/^[a-z0-9_-]{1,12}$/) },
  { weight: 1, arbitrary: latin1(20).filter((text) => text !== "") },
);
const name = fc.array(label, { maxLength: 6 }).map(nameFromLabels);
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const address = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value): Ip => ipFromBytes(value));
const rest = fc.uint8Array({ maxLength: 40 });
const field = {
  ipv4: address(4),
  ipv6: address(16),
  u8: fc.integer({ min: 0, max: 255 }),
  u16,
  u32,
  name,
  plainName: name,
  text: latin1(40),
  texts: fc.array(latin1(40), { minLength: 1, maxLength: 3 }),
  restText: latin1(40),
  rest,
};

const known = fc.constantFrom(...knownTypes.values()).chain((kind: KnownType) => {
  const fields = (layouts[kind] as Layout).map(([key, type]) => [key, field[type] as fc.Arbitrary<unknown>]);
  return fc.record(Object.fromEntries(fields)).map((values) => ({ kind, ...values }) as unknown as Rdata);
});
const unknown = fc.record({
  kind: fc.constant("UNKNOWN" as const),
  type: u16.filter((type) => type !== typeNumbers.OPT && !knownTypes.has(type)),
  bytes: rest,
});
const record: fc.Arbitrary<DnsRecord> = fc.record({
  name,
  class: u16,
  ttlSeconds: u32,
  data: fc.oneof({ weight: 6, arbitrary: known }, { weight: 1, arbitrary: unknown }),
});
const records = fc.array(record, { maxLength: 5 });
const edns = fc.record({
  udpBytes: u16,
  version: fc.integer({ min: 0, max: 255 }),
  dnssecOk: fc.boolean(),
  options: fc.array(fc.record({ code: u16, data: rest }), { maxLength: 3 }),
});
const message: fc.Arbitrary<Message> = fc
  .record(
    {
      id: u16,
      response: fc.boolean(),
      opcode: fc.integer({ min: 0, max: 15 }),
      authoritative: fc.boolean(),
      truncated: fc.boolean(),
      recursionDesired: fc.boolean(),
      recursionAvailable: fc.boolean(),
      authenticData: fc.boolean(),
      checkingDisabled: fc.boolean(),
      rcode: fc.integer({ min: 0, max: 0xfff }),
      questions: fc.array(fc.record({ name, type: u16, class: u16 }), { maxLength: 2 }),
      answers: records,
      authorities: records,
      additionals: records,
      edns,
    },
    {
      requiredKeys: [
        "id",
        "response",
        "opcode",
        "authoritative",
        "truncated",
        "recursionDesired",
        "recursionAvailable",
        "authenticData",
        "checkingDisabled",
        "rcode",
        "questions",
        "answers",
        "authorities",
        "additionals",
      ],
    },
  )
  .map((made): Message => (made.edns ? made : { ...made, rcode: made.rcode & 15 }));

describe("the codec", () => {
  test("decodes what it encoded, exactly", () => {
    fc.assert(
      fc.property(message, (original) => {
        expect(decodeMessage(encodeMessage(original))).toEqual(original);
      }),
      { numRuns: 600 },
    );
  });

  test("gives every byte string of a name one text and takes it back", () => {
    fc.assert(
      fc.property(fc.array(latin1(63), { maxLength: 3 }), (labels) => {
        const full = labels.filter((text) => text !== "");
        expect(nameLabels(nameFromLabels(full))).toEqual(full);
      }),
    );
  });

  test("leaves out whole records from the end, keeps OPT, and sets TC for answers only", () => {
    fc.assert(
      fc.property(message, fc.integer({ min: 0, max: 2000 }), (original, spare) => {
        const question = encodeMessage({ ...original, answers: [], authorities: [], additionals: [] });
        const limit = question.length + spare;
        const bytes = encodeMessage({ ...original, truncated: false }, limit);
        const seen = decodeMessage(bytes);
        expect(bytes.length).toBeLessThanOrEqual(limit);
        expect(seen.edns).toEqual(original.edns);
        expect(seen.answers).toEqual(original.answers.slice(0, seen.answers.length));
        expect(seen.additionals).toEqual(original.additionals.slice(0, seen.additionals.length));
        const lost =
          seen.answers.length < original.answers.length ||
          seen.authorities.length < original.authorities.length;
        expect(seen.truncated).toBe(lost);
        expect(encodeMessage({ ...original, truncated: false }, limit)).toEqual(bytes);
      }),
      { numRuns: 300 },
    );
  });

  test("never points to a name that was taken back", () => {
    const writer = new Writer();
    writer.name("kept.example", true);
    const kept = writer.offset;
    writer.name("gone.test", true);
    writer.rewind(kept);
    writer.name("a.gone.test", true);
    writer.name("b.kept.example", true);
    const reader = new Reader(writer.finish());
    expect([reader.name(), reader.name(), reader.name()]).toEqual([
      "kept.example",
      "a.gone.test",
      "b.kept.example",
    ]);
  });

  test("compresses owner names, and never the target of SRV", () => {
    const srv: DnsRecord = {
      name: "web.service.consul",
      class: 1,
      ttlSeconds: 0,
      data: { kind: "SRV", priority: 1, weight: 1, port: 80, target: "n1.node.dc1.consul" },
    };
    const question = { name: "web.service.consul", type: typeNumbers.SRV, class: 1 };
    const bytes = encodeMessage({ ...emptyMessage, questions: [question], answers: [srv] });
    expect(bytes.length).toBe(12 + 20 + 4 + 2 + 10 + 6 + 20);
  });
});

describe("public codecs", () => {
  const plainName = fc
    .array(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,10}[a-z0-9]$/), { minLength: 1, maxLength: 4 })
    .map((labels) => labels.join("."));

  test("dns-packet reads our messages, and we read its", () => {
    fc.assert(
      fc.property(
        plainName,
        plainName,
        address(4),
        address(16),
        u16,
        u32,
        (owner, target, v4, v6, port, ttl) => {
          const base = { name: owner, ttl, class: "IN" as const };
          const theirs = dnsPacket.encode({
            type: "response",
            id: port,
            flags: dnsPacket.AUTHORITATIVE_ANSWER | dnsPacket.RECURSION_DESIRED,
            questions: [{ name: owner, type: "SRV", class: "IN" }],
            answers: [
              { ...base, type: "A", data: v4 },
              { ...base, type: "AAAA", data: v6 },
              { ...base, type: "CNAME", data: target },
              { ...base, type: "SRV", data: { priority: 1, weight: 2, port, target } },
              { ...base, type: "MX", data: { preference: port, exchange: target } },
              { ...base, type: "TXT", data: ["some", "text"] },
              {
                ...base,
                type: "CAA",
                data: { flags: 128, tag: "issue", value: target, issuerCritical: true },
              },
            ],
          });
          const seen = decodeMessage(theirs);
          const data = (rdata: Rdata): DnsRecord => ({ name: owner, class: 1, ttlSeconds: ttl, data: rdata });
          const ours: Message = {
            ...emptyMessage,
            id: port,
            response: true,
            authoritative: true,
            recursionDesired: true,
            questions: [{ name: owner, type: typeNumbers.SRV, class: 1 }],
            answers: [
              data({ kind: "A", address: v4 as never }),
              data({ kind: "AAAA", address: v6 as never }),
              data({ kind: "CNAME", target }),
              data({ kind: "SRV", priority: 1, weight: 2, port, target }),
              data({ kind: "MX", preference: port, exchange: target }),
              data({ kind: "TXT", texts: ["some", "text"] }),
              data({ kind: "CAA", flags: 128, tag: "issue", value: target }),
            ],
          };
          expect(seen).toEqual(ours);
          const again = dnsPacket.decode(Buffer.from(encodeMessage(ours)));
          expect(again).toEqual(dnsPacket.decode(theirs));
        },
      ),
      { numRuns: 200 },
    );
  });

  test("dns2 reads our messages", () => {
    fc.assert(
      fc.property(plainName, plainName, address(4), u16, (owner, target, v4, port) => {
        const bytes = encodeMessage({
          ...emptyMessage,
          response: true,
          questions: [{ name: owner, type: typeNumbers.SRV, class: 1 }],
          answers: [
            { name: owner, class: 1, ttlSeconds: 5, data: { kind: "A", address: v4 as never } },
            {
              name: owner,
              class: 1,
              ttlSeconds: 5,
              data: { kind: "SRV", priority: 1, weight: 2, port, target },
            },
          ],
        });
        const seen = dns2.Packet.parse(Buffer.from(bytes));
        expect(seen.answers[0]).toMatchObject({ name: owner, address: v4, ttl: 5 });
        expect(seen.answers[1]).toMatchObject({ name: owner, target, port, weight: 2 });
      }),
      { numRuns: 100 },
    );
  });
});

describe("hostile bytes", () => {
  const cases: readonly (readonly [string, number[], RegExp])[] = [
    ["a pointer to itself", [0xc0, 12, 0, 1, 0, 1], /does not point back/],
    ["a pointer forward", [0xc0, 14, 0, 1, 0, 1], /does not point back/],
    ["two pointers in a ring", [1, 97, 0xc0, 12, 0, 1, 0, 1], /does not point back/],
    ["a label past the end", [63, 97, 97, 0, 1], /label runs past the end/],
    ["a reserved label type", [0x80, 0, 0, 1, 0, 1], /not in use/],
    ["bytes after the last record", [0, 0, 1, 0, 1, 9], /bytes follow/],
  ];
  test.each(cases)("%s is refused", (_what, question, why) => {
    const header = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    expect(() => decodeMessage(Uint8Array.from([...header, ...question]))).toThrow(why);
  });

  test("65535 announced records cost nothing", () => {
    const header = [0, 1, 0x80, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    expect(() => decodeMessage(Uint8Array.from(header))).toThrow(/more records/);
  });

  /** HEDDLE_FUZZ_MESSAGES=10000000 for a long run. */
  const runs = Number(process.env["HEDDLE_FUZZ_MESSAGES"] ?? 120_000);
  test(
    `${runs} mutated messages decode to something that encodes again, or are refused`,
    () => {
      const seeds = fc.sample(message, { numRuns: 150, seed: 7 }).map((sample) => encodeMessage(sample));
      let state = 0x9e3779b9;
      const random = (below: number) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 0x100000000) * below);
      };
      let refused = 0;
      for (let run = 0; run < runs; run++) {
        const bytes = Uint8Array.from(seeds[random(seeds.length)] ?? []);
        const start = random(8) === 0 ? 0 : 4;
        for (let i = random(6); i >= 0; i--) {
          bytes[start + random(bytes.length - start)] = random(3) === 0 ? 0xc0 | random(2) : random(256);
        }
        const input = random(6) === 0 ? bytes.subarray(0, random(bytes.length)) : bytes;
        let seen: Message;
        try {
          seen = decodeMessage(input);
        } catch (error) {
          if (!isFabricError(error, "DNS_MALFORMED")) throw error;
          refused++;
          continue;
        }
        expect(encodeMessage(decodeMessage(encodeMessage(seen)))).toEqual(encodeMessage(seen));
      }
      expect(refused).toBeGreaterThan(runs / 20);
      expect(refused).toBeLessThan(runs);
    },
    120_000 + runs,
  );
});

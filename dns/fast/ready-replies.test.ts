/** The fast path against the general path, byte by byte. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ip, type Ipv4, ipFromBytes, parseIp } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { MemoryCatalog, Resolver, type ServiceInstance } from "../resolver/index.ts";
import { ClientView, CookieJar, clientView, Exchange, RateGate, staleNotice } from "../serve/index.ts";
import {
  type DnsRecord,
  decodeMessage,
  emptyMessage,
  encodeMessage,
  type Message,
  typeNumbers,
} from "../wire/index.ts";
import { usesBuffer } from "./answer-ring.ts";
import { AnswerTable } from "./answer-table.ts";
import { questionKey, readyAnswer } from "./ready-answer.ts";
import { ReadyAnswers } from "./ready-answers.ts";
import { ReadyReplies } from "./ready-replies.ts";

const bounds = { entriesMax: 1000, bytesMax: 1 << 20, udpBytesMax: 1232 };
const unlimited = { perSecond: 0, slip: 0, entriesMax: 16, prefix4Bits: 24, prefix6Bits: 56 };
const facts = { recursionAvailable: true, udpBytesMax: 1232 };

const mixedCase = (text: string) =>
  fc.array(fc.boolean(), { minLength: text.length, maxLength: text.length }).map((upper) =>
    text
      .split("")
      .map((letter, i) => (upper[i] ? letter.toUpperCase() : letter))
      .join(""),
  );
const edns = fc.record({
  udpBytes: fc.integer({ min: 0, max: 4096 }),
  version: fc.constant(0),
  dnssecOk: fc.boolean(),
  options: fc.array(
    fc.record({ code: fc.integer({ min: 0, max: 0xffff }), data: fc.uint8Array({ maxLength: 12 }) }),
    {
      maxLength: 2,
    },
  ),
});
const address = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((bytes): Ip => ipFromBytes(bytes));
/** Some share a node, some have an address of their own, some have none but a host's name. */
const instances = fc.array(
  fc.record({
    address,
    second: fc.option(address, { nil: undefined }),
    node: fc.nat(5),
    port: fc.integer({ min: 0, max: 3 }),
    place: fc.constantFrom("node", "node", "node", "own", "host"),
    ports: fc.option(fc.constant([{ name: "grpc", port: 9 }]), { nil: undefined }),
  }),
  { minLength: 1, maxLength: 70, size: "max" },
);
/** What a client shows: its own part alone, or with ours of some age, or with one of somebody else. */
const cookie = fc.oneof(
  fc.constant(undefined),
  fc.record({ client: fc.uint8Array({ minLength: 8, maxLength: 8 }), ageSeconds: fc.constant(undefined) }),
  fc.record({
    client: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    ageSeconds: fc.integer({ min: -400, max: 4000 }),
  }),
);

/** Wall time of all worlds, in seconds. */
const nowSeconds = new ManualClock().wallMs() / 1000;
const localhost = { ip: parseIp("127.0.0.1"), transport: "udp" as const };
const overTcp = { ...localhost, transport: "tcp" as const };
const secret = Buffer.from("e5e973e5a6b2a43f48e7dc849e37bfcf", "hex");

/** Writes the reply of the table, or nothing. */
function said(
  table: AnswerTable,
  query: Uint8Array,
  random = 0,
  client = new ClientView(),
): Buffer | undefined {
  const out = Buffer.alloc(2048);
  const replies = new ReadyReplies(table);
  out.set(query);
  if (!replies.find(out, 0, query.length, out.length, client)) return undefined;
  return out.subarray(0, replies.write(out, 0, random, client));
}

function world(random: () => number, required = false, staleSinceMs?: number) {
  const catalog = new MemoryCatalog();
  const clock = new ManualClock();
  const cookies = new CookieJar({ secrets: [secret], required });
  const gate = new RateGate(unlimited, 1, clock, () => []);
  const ready = new ReadyAnswers(bounds, random, { cookies, gate });
  if (staleSinceMs !== undefined) ready.setNotice(staleNotice(staleSinceMs, 0));
  const resolver = new Resolver({
    catalog,
    domains: ["consul"],
    datacenter: "dc1",
    nameserverAddresses: () => [],
    reversePools: () => [],
    whereIs: () => undefined,
    networksOf: () => [],
    dialects: [],
    subset: { instancesMax: 0, node: "n0" },
    ttl: { nodeSeconds: 7, serviceSeconds: { "*": 5 }, negativeSeconds: 3 },
    health: { onlyPassing: false, panicThreshold: 0 },
    clock: new ManualClock(),
    random,
  });
  const exchange = (keeper: Pick<ReadyAnswers, "mark" | "offer">) =>
    new Exchange({
      resolver,
      forwarder: undefined,
      mayForward: () => false,
      facts,
      cookies,
      gate,
      idleTimeoutMs: 1000,
      staleSinceMs: () => staleSinceMs,
      staleTtlSeconds: 3,
      clock,
      random,
      replyTimeoutMs: 1000,
      keeper,
      onReply: () => {},
      onFailure: (_question, error) => {
        throw error;
      },
    });
  catalog.onChange((change) => ready.change(change));
  return { catalog, ready, learning: exchange(ready), general: exchange({ mark: () => 0, offer: () => {} }) };
}

type Place = typeof instances extends fc.Arbitrary<(infer T)[]> ? T : never;

function instance({ address: ip, second, node, port, place, ports }: Place): ServiceInstance {
  const name = place === "host" ? `h${node}.example` : `n${node}`;
  const own = place === "own" ? { address: ip } : place === "host" ? { address: name } : {};
  const nodeAddresses = second === undefined ? [ip] : [ip, second];
  const several = ports && { ports };
  return { node: name, nodeUp: true, nodeAddresses, port, tags: [], status: "passing", ...own, ...several };
}

/** The option as this client would send it now. */
function cookieOption({ client: own, ageSeconds }: { client: Uint8Array; ageSeconds: number | undefined }) {
  if (ageSeconds === undefined) return { code: 10, data: own };
  const data = new Uint8Array(24);
  const view = clientView(localhost, (nowSeconds - ageSeconds) * 1000);
  new CookieJar({ secrets: [secret], required: false }).write(own, 0, false, view, data, 0);
  return { code: 10, data };
}

describe("a ready reply", () => {
  test("is byte for byte a rotation of what the general path says, whatever the query's case, bits, EDNS and cookie", async () => {
    const served = { A: 0, AAAA: 0, SRV: 0, cookies: 0, stale: 0, truncated: 0, fewer: 0 };
    await fc.assert(
      fc.asyncProperty(
        instances,
        fc
          .constantFrom("web.service.consul", "grpc.port.web.service.consul", "_web._grpc.service.consul")
          .chain((name) => fc.tuple(mixedCase(name), mixedCase(name))),
        fc.constantFrom("A", "AAAA", "SRV", "SRV" as const),
        fc.option(edns, { nil: undefined }),
        cookie,
        fc.record({
          id: fc.integer({ min: 0, max: 0xffff }),
          recursionDesired: fc.boolean(),
          checkingDisabled: fc.boolean(),
          authenticData: fc.boolean(),
        }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.boolean(),
        fc.option(fc.constant(1_600_000_000_000), { nil: undefined, freq: 3 }),
        async (services, [first, second], type, ednsOrNot, shown, bits, turn, required, stale) => {
          const { catalog, ready, learning, general } = world(() => turn, required, stale);
          catalog.setService("web", services.map(instance));
          const question = (name: string): Message => ({
            ...emptyMessage,
            questions: [{ name, type: typeNumbers[type as "A"], class: 1 }],
          });
          await learning.handle(encodeMessage(question(first)), localhost);
          const options = [...(ednsOrNot?.options ?? []), ...(shown ? [cookieOption(shown)] : [])];
          const query = encodeMessage({
            ...question(second),
            ...bits,
            ...(ednsOrNot ? { edns: { ...ednsOrNot, options } } : {}),
          });
          const fast = ready.reply(query, clientView(localhost, nowSeconds * 1000));
          if (fast === undefined || fast === "none") return;
          const reference = await general.handle(query, localhost);
          const answer = decodeMessage(fast);
          const expected = decodeMessage(reference ?? new Uint8Array());
          const text = ({ data }: DnsRecord) => JSON.stringify(data);
          expect(answer.answers.map(text).sort()).toEqual(expected.answers.map(text).sort());
          const inOrder = { ...expected, answers: answer.answers };
          expect(Buffer.from(fast)).toEqual(Buffer.from(encodeMessage(inOrder)));
          if (answer.truncated) served.truncated++;
          const whole = decodeMessage((await general.handle(query, overTcp)) ?? new Uint8Array());
          if (!answer.truncated && answer.additionals.length < whole.additionals.length) served.fewer++;
          if (answer.answers.length > 1) served[type as "A"]++;
          if (answer.edns?.options.some(({ code }) => code === 10)) served.cookies++;
          if (answer.edns?.options.some(({ code }) => code === 15)) served.stale++;
        },
      ),
      { numRuns: 1500 },
    );
    for (const count of Object.values(served)) expect(count).toBeGreaterThan(50);
  });

  test("begins with each of the answers equally often", () => {
    const addresses = Array.from({ length: 8 }, (_, i) => parseIp(`10.0.0.${i}`) as Ipv4);
    const question = { name: "web.service.consul", type: typeNumbers.A, class: 1 };
    const answers = addresses.map(
      (ip): DnsRecord => ({
        name: question.name,
        class: 1,
        ttlSeconds: 0,
        data: { kind: "A", address: ip },
      }),
    );
    const reply: Message = { ...emptyMessage, response: true, questions: [question], answers };
    const table = new AnswerTable(bounds, usesBuffer(bounds));
    const answer = readyAnswer(reply, bounds.udpBytesMax);
    if (answer) table.learn(questionKey(reply), answer, 0);
    const query = encodeMessage({ ...emptyMessage, questions: [question] });
    const firsts = new Map<string, number>();
    for (let random = 0; random < 800; random++) {
      const [first] = decodeMessage(said(table, query, random) ?? new Uint8Array()).answers;
      const key = first?.data.kind === "A" ? first.data.address : "";
      firsts.set(key, (firsts.get(key) ?? 0) + 1);
    }
    expect([...firsts.values()]).toEqual(new Array(8).fill(100));
  });

  test("is never given to a query that is not plain", () => {
    const { table, query } = oneName();
    const tries: readonly (readonly [string, (bytes: Buffer) => Buffer])[] = [
      ["a response", (bytes) => patched(bytes, 2, 0x80)],
      ["another opcode", (bytes) => patched(bytes, 2, 0x20)],
      ["a reserved bit", (bytes) => patched(bytes, 3, 0x40)],
      ["two questions", (bytes) => patched(bytes, 5, 2)],
      ["an answer", (bytes) => patched(bytes, 7, 1)],
      ["a class that is not IN", (bytes) => patched(bytes, bytes.length - 1, 3)],
      ["bytes at the end", (bytes) => Buffer.concat([bytes, Buffer.from([0])])],
      ["a missing byte", (bytes) => bytes.subarray(0, -1)],
      ["an OPT that is not there", (bytes) => patched(bytes, 11, 1)],
      ["EDNS version 1", (bytes) => withOpt(bytes, [0, 0, 41, 4, 208, 0, 1, 0, 0, 0, 0])],
      ["a cookie of 9 bytes", (bytes) => withOpt(bytes, [...opt(13), 0, 10, 0, 9, ...new Array(9).fill(1)])],
      [
        "two cookies",
        (bytes) =>
          withOpt(bytes, [...opt(24), ...[1, 2].flatMap((n) => [0, 10, 0, 8, ...new Array(8).fill(n)])]),
      ],
      ["an option that is cut", (bytes) => withOpt(bytes, [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 3, 0, 1, 0])],
    ];
    expect(said(table, query)).toBeDefined();
    for (const [what, change] of tries) {
      const bytes = change(Buffer.from(query));
      expect([what, said(table, bytes)]).toEqual([what, undefined]);
    }
  });

  test("never comes of mutated bytes without the general path agreeing that they are a query", () => {
    const { table, query } = oneName();
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(query.length + 10), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }),
        fc.nat(14),
        (changes, extra) => {
          const bytes = Buffer.concat([
            query,
            Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0, 0, 0, 0]).subarray(0, extra),
          ]);
          if (extra === 11) bytes[11] = 1;
          for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
          const reply = said(table, bytes);
          if (!reply) return;
          const answer = decodeMessage(reply);
          const asked = decodeMessage(bytes);
          expect(answer.questions).toEqual(asked.questions);
          expect(answer.id).toBe(asked.id);
          expect(asked.edns === undefined).toBe(answer.edns === undefined);
        },
      ),
      { numRuns: 5000 },
    );
  });
});

function oneName() {
  const question = { name: "web.service.consul", type: typeNumbers.A, class: 1 };
  const answers: DnsRecord[] = [
    {
      name: question.name,
      class: 1,
      ttlSeconds: 0,
      data: { kind: "A", address: parseIp("10.0.0.1") as Ipv4 },
    },
  ];
  const reply: Message = { ...emptyMessage, response: true, questions: [question], answers };
  const table = new AnswerTable(bounds, usesBuffer(bounds));
  const answer = readyAnswer(reply, bounds.udpBytesMax);
  if (answer) table.learn(questionKey(reply), answer, 0);
  return {
    table,
    query: encodeMessage({ ...emptyMessage, questions: [question] }),
  };
}

function patched(bytes: Buffer, at: number, value: number): Buffer {
  bytes[at] = value;
  return bytes;
}

function withOpt(bytes: Buffer, opt: readonly number[]): Buffer {
  return Buffer.concat([patched(bytes, 11, 1), Buffer.from(opt)]);
}

/** The fixed part of an OPT record whose options have that many bytes. */
function opt(optionBytes: number): number[] {
  return [0, 0, 41, 4, 208, 0, 0, 0, 0, optionBytes >> 8, optionBytes & 255];
}

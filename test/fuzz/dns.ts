/**
 * Mutated DNS messages against everything that reads them here. What must hold:
 *
 * - codec: bytes are a message or DNS_MALFORMED; a message encodes, and decodes to the same again. Where dns-packet
 *   or dns2 read the same bytes, they see the same header, question, names, types, classes and TTLs.
 * - general path: exactly one reply to what is no reply itself and has a header, with its id, within the size that
 *   was asked for; nothing is ever thrown.
 * - fast path: what it answers is what the general path says, but for the order of the answers.
 * - TCP framing: the same messages come out in whatever pieces the stream arrives.
 */
import { deepStrictEqual } from "node:assert";
import dnsPacket from "dns-packet";
import dns2 from "dns2";
import { parseIp } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { AnswerTable } from "../../dns/fast/answer-table.ts";
import { ReadyAnswers } from "../../dns/fast/index.ts";
import { ReadyReplies } from "../../dns/fast/ready-replies.ts";
import { applyStep } from "../../dns/fast/table-step.ts";
import { FrameReader, frame } from "../../dns/listen/index.ts";
import { MemoryCatalog, Resolver } from "../../dns/resolver/index.ts";
import { CookieJar, clientView, Exchange, type ExchangeOptions, RateGate } from "../../dns/serve/index.ts";
import {
  type DnsRecord,
  decodeMessage,
  type EdnsOption,
  emptyMessage,
  encodeMessage,
  type Message,
  typeNumbers,
} from "../../dns/wire/index.ts";
import { isFabricError } from "../../errors/index.ts";
import { type FuzzReport, type FuzzSubject, type FuzzTerms, fuzzCases } from "./cases.ts";
import { mutate, type Random } from "./mutate.ts";

const client = { ip: parseIp("192.0.2.1"), transport: "udp" as const };
const udpBytesMax = 1232;
const bounds = { entriesMax: 1000, bytesMax: 1 << 20, udpBytesMax };
const names = [
  "web.service.consul",
  "big.service.consul",
  "n1.node.consul",
  "none.service.consul",
  "example.com",
];
const secret = new Uint8Array(16).fill(7);

/** What readers of DNS stumble over: pointers, the type of OPT, options, lengths, counts. */
const words = [
  "\xc0\x0c",
  "\xc0\x00",
  "\xc0\xff",
  "\x00\x29",
  "\x00\x0a\x00\x08",
  "\x3f",
  "\x40",
  "\x80",
  "\xff\xff",
  "\x00\x00\x00\x01",
];

export async function fuzzDns(terms: FuzzTerms): Promise<FuzzReport> {
  return fuzzCases(await dnsSubject(), terms);
}

export async function dnsSubject(): Promise<FuzzSubject> {
  const counts = {
    malformed: 0,
    decoded: 0,
    "read by dns-packet too": 0,
    "read by dns2 too": 0,
    "general replies": 0,
    "fast replies": 0,
    "framed messages": 0,
  };
  const { general, replies, view } = await makeServer();
  const corpus = [...queries(), ...(await repliesOf(general))].map((bytes) => Buffer.from(bytes));

  return {
    counts: () => counts,
    async run(random) {
      const original = picked(random, corpus);
      const bytes = random(4) === 0 ? original : mutate(original, random, corpus, words);
      const message = decoded(bytes);
      if (message) counts.decoded++;
      else counts.malformed++;
      if (message) checkCodec(message);
      if (message && agreesWithDnsPacket(bytes, message)) counts["read by dns-packet too"]++;
      if (message && agreesWithDns2(bytes, message)) counts["read by dns2 too"]++;
      const reply = await general.handle(bytes, client);
      checkReply(bytes, message, reply);
      if (reply) counts["general replies"]++;
      if (checkFast(bytes, reply, random)) counts["fast replies"]++;
      if (random(8) === 0) counts["framed messages"] += checkFrames(random, corpus);
    },
  };

  function checkFast(bytes: Buffer, reply: Uint8Array | undefined, random: Random): boolean {
    const out = Buffer.alloc(Math.max(2048, bytes.length));
    out.set(bytes);
    if (!replies.find(out, 0, bytes.length, out.length, view)) return false;
    const said = out.subarray(0, replies.write(out, 0, random(0xffffffff), view));
    if (!reply)
      throw new Error(`the fast path answers what the general path does not: ${bytes.toString("hex")}`);
    const seen = decodeMessage(said);
    const expected = decodeMessage(reply);
    const inOrder = encodeMessage({ ...expected, answers: seen.answers });
    const sorted = ({ answers }: Message) => answers.map((each) => JSON.stringify(each)).sort();
    deepStrictEqual(sorted(seen), sorted(expected), bytes.toString("hex"));
    deepStrictEqual(said.toString("hex"), Buffer.from(inOrder).toString("hex"), bytes.toString("hex"));
    return true;
  }
}

/** A server of our own without sockets: the general path, and a table with all that it keeps. */
async function makeServer() {
  const catalog = new MemoryCatalog();
  const instance = (n: number) => ({
    node: `n${n % 7}`,
    nodeUp: true,
    nodeAddresses: [parseIp(`10.1.0.${n}`)],
    port: 8000 + n,
    tags: ["v1"],
    status: "passing" as const,
  });
  catalog.setService("web", [instance(1), instance(2), instance(8)]);
  catalog.setService(
    "big",
    Array.from({ length: 60 }, (_, n) => instance(n)),
  );
  catalog.setNode("n1", { name: "n1", up: true, addresses: [parseIp("10.1.0.1")], meta: { rack: "a7" } });
  const clock = new ManualClock();
  const cookies = new CookieJar({ secrets: [secret], required: false });
  const rate = { perSecond: 0, slip: 0, entriesMax: 16, prefix4Bits: 24, prefix6Bits: 56 };
  const gate = new RateGate(rate, 1, clock, () => []);
  const random = () => 0.5;
  const ready = new ReadyAnswers(bounds, random, { cookies, gate });
  const table = new AnswerTable(bounds, ready.uses);
  const replies = new ReadyReplies(table, cookies);
  ready.follow((step) => applyStep(table, replies, step));
  const resolver = new Resolver({
    catalog,
    domains: ["consul"],
    datacenter: "dc1",
    nameserverAddresses: () => [],
    reversePools: () => [],
    networksOf: () => [],
    dialects: [],
    subset: { instancesMax: 0, node: "" },
    whereIs: () => undefined,
    ttl: { nodeSeconds: 7, serviceSeconds: { "*": 5 }, negativeSeconds: 3 },
    health: { onlyPassing: false, panicThreshold: 0 },
    clock,
    random,
  });
  const exchange = (keeper: ExchangeOptions["keeper"]) =>
    new Exchange({
      resolver,
      forwarder: undefined,
      mayForward: () => false,
      facts: { recursionAvailable: true, udpBytesMax },
      cookies,
      gate,
      idleTimeoutMs: 1000,
      staleSinceMs: () => undefined,
      staleTtlSeconds: 30,
      clock,
      random,
      replyTimeoutMs: 1000,
      keeper,
      onReply: () => {},
      onFailure: (_question, error) => {
        throw error;
      },
    });
  const learning = exchange(ready);
  for (const query of queries()) await learning.handle(query, client);
  return {
    general: exchange({ mark: () => 0, offer: () => {} }),
    replies,
    view: clientView(client, clock.wallMs()),
  };
}

function queries(): readonly Uint8Array[] {
  const { A, AAAA, SRV, TXT, ANY, SOA } = typeNumbers;
  const option = (code: number, ...data: number[]): EdnsOption => ({ code, data: Uint8Array.from(data) });
  const optionSets = [
    [],
    [option(10, 1, 2, 3, 4, 5, 6, 7, 8)],
    [option(10, ...new Array<number>(24).fill(1)), option(3)],
    [option(8, 0, 1, 24, 0, 192, 0, 2)],
    [option(11), option(12, 0, 0)],
  ];
  return names.flatMap((name) =>
    [A, AAAA, SRV, TXT, ANY, SOA].flatMap((type) => {
      const plain: Message = {
        ...emptyMessage,
        id: 0x1234,
        recursionDesired: true,
        questions: [{ name, type, class: 1 }],
      };
      const withEdns = optionSets.map((options) => ({
        ...plain,
        edns: { udpBytes: udpBytesMax, version: 0, dnssecOk: false, options },
      }));
      return [plain, ...withEdns].map((message) => encodeMessage(message));
    }),
  );
}

async function repliesOf(general: Exchange): Promise<readonly Uint8Array[]> {
  const all = await Promise.all(queries().map((query) => general.handle(query, client)));
  return all.flatMap((reply) => (reply ? [reply] : []));
}

function decoded(bytes: Uint8Array): Message | undefined {
  try {
    return decodeMessage(bytes);
  } catch (error) {
    if (isFabricError(error, "DNS_MALFORMED")) return undefined;
    throw error;
  }
}

function checkCodec(message: Message): void {
  const bytes = encodeMessage(message);
  deepStrictEqual(decodeMessage(bytes), message);
}

function checkReply(query: Uint8Array, message: Message | undefined, reply: Uint8Array | undefined): void {
  const silent = query.length < 12 || ((query[2] as number) & 0x80) !== 0;
  const hex = Buffer.from(query).toString("hex");
  if (silent !== (reply === undefined)) throw new Error(`${silent ? "a" : "no"} reply to ${hex}`);
  if (!reply) return;
  const said = decodeMessage(reply);
  const id = ((query[0] as number) << 8) | (query[1] as number);
  if (said.id !== id || !said.response) throw new Error(`a reply with another id, or none, to ${hex}`);
  if ((said.edns !== undefined) !== (message?.edns !== undefined))
    throw new Error(`OPT lost or made up: ${hex}`);
  const limit = Math.max(512, Math.min(udpBytesMax, message?.edns?.udpBytes ?? 0));
  if (message && message.questions.length <= 1 && reply.length > limit) {
    throw new Error(`${reply.length} bytes for a client that takes ${limit}: ${hex}`);
  }
}

/** False where dns-packet refuses, as it does some data that it looks deeper into. */
function agreesWithDnsPacket(bytes: Buffer, message: Message): boolean {
  let theirs: ReturnType<typeof dnsPacket.decode>;
  try {
    theirs = dnsPacket.decode(bytes);
  } catch {
    return false;
  }
  const plain = (name: string) => /^[\w.-]*$/.test(name);
  if (theirs.id !== message.id) throw new Error(`dns-packet sees another id: ${bytes.toString("hex")}`);
  const asked = message.questions.map(({ name }) => name);
  const theirNames = (theirs.questions ?? []).map(({ name }) => (name === "." ? "" : name));
  if (asked.every(plain)) deepStrictEqual(asked, theirNames, bytes.toString("hex"));
  const ours = message.answers.filter(({ name }) => plain(name)).map(briefly);
  const others = (theirs.answers ?? []).flatMap((each) =>
    "ttl" in each && plain(each.name) ? [{ name: each.name === "." ? "" : each.name, ttl: each.ttl }] : [],
  );
  if (message.answers.every(({ name }) => plain(name))) deepStrictEqual(ours, others, bytes.toString("hex"));
  return true;
}

function briefly({ name, ttlSeconds }: DnsRecord) {
  return { name, ttl: ttlSeconds };
}

/** False where dns2 refuses; it reads past the end of what is cut, so only whole messages are given to it. */
function agreesWithDns2(bytes: Buffer, message: Message): boolean {
  let theirs: ReturnType<typeof dns2.Packet.parse>;
  try {
    theirs = dns2.Packet.parse(bytes);
  } catch {
    return false;
  }
  deepStrictEqual(theirs.header.id, message.id);
  const types = message.questions.map(({ type }) => type);
  deepStrictEqual(
    theirs.questions.map(({ type }: { type: number }) => type),
    types,
    bytes.toString("hex"),
  );
  return true;
}

/** How many messages came out. */
function checkFrames(random: Random, corpus: readonly Buffer[]): number {
  const sent = Array.from({ length: 1 + random(6) }, () => picked(random, corpus));
  const stream = Buffer.concat(sent.map(frame));
  const broken = random(3) === 0 ? mutate(stream, random, corpus, words) : stream;
  const messagesMaxBytes = 4096;
  const frames = new FrameReader(messagesMaxBytes);
  const whole = new FrameReader(messagesMaxBytes).push(broken);
  const got: Buffer[] = [];
  let refused = false;
  for (let at = 0; at < broken.length && !refused; ) {
    const end = at + 1 + random(40);
    const messages = frames.push(broken.subarray(at, end));
    if (messages) got.push(...messages.map((message) => Buffer.from(message)));
    else refused = true;
    at = end;
  }
  if (refused !== (whole === undefined)) throw new Error(`pieces decide: ${broken.toString("hex")}`);
  const hex = (messages: readonly Uint8Array[]) => messages.map((each) => Buffer.from(each).toString("hex"));
  if (whole) deepStrictEqual(hex(got), hex(whole));
  if (broken === stream) deepStrictEqual(hex(got), hex(sent));
  return got.length;
}

function picked(random: Random, corpus: readonly Buffer[]): Buffer {
  return corpus[random(corpus.length)] ?? Buffer.alloc(0);
}

/** What is kept, for how long, and that followers and threads see the same. */
import { describe, expect, test } from "vitest";
import { type Ipv4, parseIp } from "../../addr/index.ts";
import { type CatalogChange, negative, type Resolution } from "../resolver/index.ts";
import { ClientView } from "../serve/index.ts";
import {
  type DnsRecord,
  emptyMessage,
  encodeMessage,
  type Message,
  rcodes,
  typeNumbers,
} from "../wire/index.ts";
import { AnswerTable } from "./answer-table.ts";
import { ReadyAnswers } from "./ready-answers.ts";
import { ReadyReplies } from "./ready-replies.ts";
import { applyStep } from "./table-step.ts";

const bounds = { entriesMax: 4, bytesMax: 1 << 16, udpBytesMax: 1232 };
const query = (name: string, type: number = typeNumbers.A): Message => ({
  ...emptyMessage,
  questions: [{ name: `${name}.service.consul`, type, class: 1 }],
});

function reply(name: string, ip: string): { message: Message; resolution: Resolution } {
  const record: DnsRecord = {
    name: `${name}.service.consul`,
    class: 1,
    ttlSeconds: 0,
    data: { kind: "A", address: parseIp(ip) as Ipv4 },
  };
  return {
    message: { ...query(name), response: true, answers: [record] },
    resolution: {
      rcode: rcodes.NOERROR,
      answers: [record],
      authorities: [],
      additionals: [],
      dependsOn: [`service/${name}`],
      anyOrder: true,
    },
  };
}

function offer(ready: ReadyAnswers, name: string, ip: string, mark = ready.mark()): void {
  const { message, resolution } = reply(name, ip);
  ready.offer(message, resolution, mark);
}

const ask = (ready: ReadyAnswers, name: string) => ready.reply(encodeMessage(query(name)), new ClientView());
const random = () => 0.5;

/** Of a follower, without the turn: each name has one answer. */
function said(replies: ReadyReplies, name: string): Uint8Array | undefined {
  const bytes = encodeMessage(query(name));
  const out = new Uint8Array(1232);
  out.set(bytes);
  const client = new ClientView();
  if (!replies.find(out, 0, bytes.length, out.length, client)) return undefined;
  return out.subarray(0, replies.write(out, 0, 0, client));
}

describe("ready answers", () => {
  const changes: readonly CatalogChange[] = [{ kind: "service", name: "WEB" }, { kind: "all" }];
  test.each(changes)("are forgotten by %j", (change) => {
    const ready = new ReadyAnswers(bounds, random);
    offer(ready, "web", "10.0.0.1");
    expect(ask(ready, "web")).toBeDefined();
    ready.change({ kind: "service", name: "other" });
    expect(ask(ready, "web")).toBeDefined();
    ready.change(change);
    expect(ask(ready, "web")).toBeUndefined();
  });

  test("are not made of a look-up during which the catalog changed", () => {
    const ready = new ReadyAnswers(bounds, random);
    const mark = ready.mark();
    ready.change({ kind: "service", name: "web" });
    offer(ready, "web", "10.0.0.1", mark);
    expect(ready.size).toBe(0);
  });

  test("are not made of what does not exist, nor of what depends on nothing, nor of rare types", () => {
    const ready = new ReadyAnswers(bounds, random);
    const { message, resolution } = reply("web", "10.0.0.1");
    const soa = message.answers[0] as DnsRecord;
    ready.offer({ ...message, answers: [] }, negative(rcodes.NXDOMAIN, soa, ["service/web"]), ready.mark());
    ready.offer(message, { ...resolution, dependsOn: [] }, ready.mark());
    ready.offer({ ...message, questions: query("web", typeNumbers.MX).questions }, resolution, ready.mark());
    expect(ready.size).toBe(0);
  });

  test("give way one by one when the table is full, and followers hold the same", () => {
    const ready = new ReadyAnswers(bounds, () => 0);
    const follower = new AnswerTable(bounds, ready.uses);
    const replies = new ReadyReplies(follower);
    offer(ready, "s0", "10.0.0.1");
    const stop = ready.follow((step) => applyStep(follower, replies, step));
    for (let i = 1; i < 40; i++) {
      offer(ready, `s${i}`, `10.0.0.${i}`);
      if (i % 3 === 0) ready.change({ kind: "service", name: `s${i - 1}` });
      if (i > 3) expect(ready.size).toBeGreaterThanOrEqual(3);
      expect(ready.size).toBeLessThanOrEqual(4);
      expect(follower.size).toBe(ready.size);
      for (const [n, name] of Array.from({ length: i + 1 }, (_, k) => [k, `s${k}`] as const))
        expect(said(replies, name), `${n} after ${i}`).toEqual(ask(ready, name));
    }
    stop();
    ready.change({ kind: "all" });
    expect(follower.size).toBeGreaterThan(0);
    const late = new AnswerTable(bounds, ready.uses);
    offer(ready, "late", "10.0.0.1");
    ready.follow((step) => applyStep(late, new ReadyReplies(late), step));
    expect(late.size).toBe(1);
  });

  test("that a follower gives stay while others give way", () => {
    const ready = new ReadyAnswers(bounds, () => 0);
    const follower = new AnswerTable(bounds, ready.uses);
    const replies = new ReadyReplies(follower);
    ready.follow((step) => applyStep(follower, replies, step));
    offer(ready, "hot", "10.0.0.1");
    for (let i = 0; i < 40; i++) {
      expect(said(replies, "hot")).toBeDefined();
      offer(ready, `s${i}`, "10.0.0.2");
    }
    expect(ready.size).toBe(4);
  });

  test("are made of one answer in eight once the table is full", () => {
    let turn = 0;
    const ready = new ReadyAnswers(bounds, () => (turn++ % 64) / 64);
    for (let i = 0; i < 4; i++) offer(ready, `s${i}`, "10.0.0.1");
    turn = 0;
    let kept = 0;
    for (let i = 0; i < 64; i++) {
      offer(ready, `t${i}`, "10.0.0.1");
      if (ready.has(query(`t${i}`))) kept++;
    }
    expect(kept).toBeGreaterThan(4);
    expect(kept).toBeLessThan(12);
  });
});

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

  test("start anew when the table is full, and followers do the same", () => {
    const ready = new ReadyAnswers(bounds, random);
    const follower = new AnswerTable(bounds);
    const replies = new ReadyReplies(follower);
    offer(ready, "s0", "10.0.0.1");
    const stop = ready.follow((step) => applyStep(follower, replies, step));
    for (let i = 1; i < 20; i++) {
      offer(ready, `s${i}`, "10.0.0.1");
      if (i % 3 === 0) ready.change({ kind: "service", name: `s${i - 1}` });
      expect(ready.size).toBeLessThanOrEqual(4);
      expect(follower.size).toBe(ready.size);
    }
    stop();
    ready.change({ kind: "all" });
    expect(follower.size).toBeGreaterThan(0);
  });
});

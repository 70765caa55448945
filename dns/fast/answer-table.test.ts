/** The table against a Map. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ipv6, parseIp } from "../../addr/index.ts";
import { ClientView } from "../serve/index.ts";
import { decodeMessage, emptyMessage, encodeMessage, type Message, typeNumbers } from "../wire/index.ts";
import { AnswerTable } from "./answer-table.ts";
import { questionKey, readyAnswer } from "./ready-answer.ts";
import { ReadyReplies } from "./ready-replies.ts";

const bounds = { entriesMax: 1000, bytesMax: 1 << 20, udpBytesMax: 1232 };

/** Writes the reply of the table, or nothing. */
function said(table: AnswerTable, query: Uint8Array): Buffer | undefined {
  const client = new ClientView();
  const out = Buffer.alloc(2048);
  const replies = new ReadyReplies(table);
  out.set(query);
  if (!replies.find(out, 0, query.length, out.length, client)) return undefined;
  return out.subarray(0, replies.write(out, 0, 0, client));
}

describe("the table", () => {
  test("holds what a Map would hold, through growth, forgetting and clearing", () => {
    const key = fc.nat(60);
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ kind: fc.constant("learn" as const), key, size: fc.nat(3) }) },
      { weight: 3, arbitrary: fc.record({ kind: fc.constant("forget" as const), key }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant("clear" as const) }) },
    );
    const keyBytes = (n: number) =>
      new Uint8Array([1, 97 + (n % 26), 1, 48 + (n >> 5), 1, 48 + (n % 7), 0, 0, 1, 0, 1]);
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = new AnswerTable(bounds);
        const model = new Map<string, string>();
        for (const each of steps) {
          if (each.kind === "clear") {
            table.clear();
            model.clear();
          } else if (each.kind === "forget") {
            table.forget(keyBytes(each.key));
            model.delete(String(keyBytes(each.key)));
          } else {
            const body = new Uint8Array(8 + each.size * 20).fill(each.size + 1);
            const turn = new Uint8Array(((each.size * 7) % 5) * 2).fill(each.size + 9);
            expect(table.learn(keyBytes(each.key), { body, rotateCount: 0, turn })).toBe(true);
            model.set(String(keyBytes(each.key)), `${body} ${turn}`);
          }
          expect(table.size).toBe(model.size);
        }
        const held = [...table.entries()].map(({ key: bytes, answer }) => [
          String(bytes),
          `${answer.body} ${answer.turn}`,
        ]);
        expect(new Map(held as [string, string][])).toEqual(model);
      }),
      { numRuns: 200 },
    );
  });

  test("takes 10,000 names, each found again, and says when it is full", () => {
    const table = new AnswerTable({ entriesMax: 10_000, bytesMax: 1 << 24, udpBytesMax: 1232 });
    const message = (i: number): Message => ({
      ...emptyMessage,
      response: true,
      questions: [{ name: `s${i}.service.consul`, type: typeNumbers.AAAA, class: 1 }],
      answers: [
        {
          name: `s${i}.service.consul`,
          class: 1,
          ttlSeconds: 0,
          data: { kind: "AAAA", address: parseIp(`fd00::${i.toString(16)}`) as Ipv6 },
        },
      ],
    });
    const learn = (i: number) => {
      const answer = readyAnswer(message(i), bounds.udpBytesMax);
      return answer !== undefined && table.learn(questionKey(message(i)), answer);
    };
    for (let i = 0; i < 10_000; i++) expect(learn(i)).toBe(true);
    expect(learn(10_000)).toBe(false);
    for (let i = 0; i < 10_000; i += 97) {
      const query = encodeMessage({ ...message(i), response: false, answers: [] });
      expect(decodeMessage(said(table, query) ?? new Uint8Array())).toEqual(message(i));
    }
  });
});

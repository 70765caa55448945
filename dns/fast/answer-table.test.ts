/** The table against a Map. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Ipv6, parseIp } from "../../addr/index.ts";
import { ClientView } from "../serve/index.ts";
import { decodeMessage, emptyMessage, encodeMessage, type Message, typeNumbers } from "../wire/index.ts";
import { usesBuffer } from "./answer-ring.ts";
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
        const table = new AnswerTable(bounds, usesBuffer(bounds));
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
            table.learn(keyBytes(each.key), { body, rotateCount: 0, turn }, each.key * 128);
            expect(table.keyAt(each.key * 128)).toEqual(keyBytes(each.key));
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

  test("takes 10,000 names, each found again while others go", () => {
    const larger = { ...bounds, bytesMax: 1 << 24 };
    const table = new AnswerTable(larger, usesBuffer(larger));
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
      if (answer) table.learn(questionKey(message(i)), answer, i * 256);
    };
    for (let i = 0; i < 10_000; i++) learn(i);
    expect(table.size).toBe(10_000);
    for (let i = 0; i < 10_000; i++) if (i % 97 !== 0) table.forget(questionKey(message(i)));
    expect(table.size).toBe(104);
    for (let i = 0; i < 10_000; i += 97) {
      const query = encodeMessage({ ...message(i), response: false, answers: [] });
      expect(decodeMessage(said(table, query) ?? new Uint8Array())).toEqual(message(i));
    }
  });
});

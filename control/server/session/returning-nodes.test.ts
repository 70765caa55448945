import { expect, test } from "vitest";
import { ManualClock } from "../../../clock/index.ts";
import { liveKey } from "../../../registry/index.ts";
import { MemoryStore } from "../../../store/index.ts";
import { keepReturningNodes } from "./returning-nodes.ts";

const limits = { liveTtlMs: 10_000, returnPerNodeMs: 10_000, returnMaxMs: 35_000 };

async function fixture(nodes: number) {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  const join = async (node: string) => {
    const { id: lease } = await store.grantLease(limits.liveTtlMs);
    const put = { op: "put", key: liveKey(node), value: new Uint8Array(), lease } as const;
    await store.txn({ success: [put] });
  };
  for (let n = 0; n < nodes; n++) await join(`n${n}`);
  const ending = new AbortController();
  const kept = keepReturningNodes({ store, clock, limits, signal: ending.signal });
  const isAlive = async (node: string) => (await store.range(liveKey(node))).items.length === 1;
  return { clock, join, kept, ending, isAlive };
}

test("nodes are kept alive while their agents may come back, longer the more there are, and no longer than the most", async () => {
  for (const [nodes, aliveMs] of [
    [1, 10_000],
    [3, 30_000],
    [9, 35_000],
  ] as const) {
    const { clock, kept, isAlive } = await fixture(nodes);
    await clock.advance(aliveMs - 1);
    expect(await isAlive("n0")).toBe(true);
    await clock.advance(limits.liveTtlMs / 4 + 1);
    expect(await isAlive("n0")).toBe(false);
    await kept;
  }
});

test("who came back lives by its own lease alone", async () => {
  const { clock, join, isAlive } = await fixture(3);
  await join("n1");
  await clock.advance(limits.liveTtlMs);
  expect([await isAlive("n0"), await isAlive("n1")]).toEqual([true, false]);
});

test("it ends with the server", async () => {
  const { clock, ending, kept, isAlive } = await fixture(9);
  ending.abort();
  await kept;
  await clock.advance(limits.liveTtlMs);
  expect(await isAlive("n0")).toBe(false);
});

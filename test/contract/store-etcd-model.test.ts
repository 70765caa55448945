/** etcd against memory: random transactions answer and leave the same, revisions counted from where each store began. */
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { isFabricError } from "../../errors/index.ts";
import { MemoryStore, type Store, type Txn } from "../../store/index.ts";
import { EtcdCluster } from "../lab/etcd-cluster.ts";
import { shape } from "./store-shapes.ts";
import { take } from "./store-subject.ts";

const limits = { keyBytesMax: 12, valueBytesMax: 40, operationsMax: 6 };
let cluster: EtcdCluster;
let histories = 0;

beforeAll(async () => {
  cluster = await EtcdCluster.start({ size: 1 });
});
afterAll(() => cluster?.dispose());

/** The same value with every revision moved; 0 means "not there" and stays. */
function moved(value: unknown, by: number): unknown {
  if (Array.isArray(value)) return value.map((each) => moved(each, by));
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const entries = Object.entries(value).map(([name, each]) =>
    /revision$/i.test(name) && each !== 0 ? [name, each + by] : [name, moved(each, by)],
  );
  return Object.fromEntries(entries);
}

async function outcome(store: Store, txn: Txn, by: number): Promise<unknown> {
  try {
    const shifted = moved(txn, by) as Txn;
    return moved(await store.txn(shifted), -by);
  } catch (error) {
    if (isFabricError(error)) return error.code;
    throw error;
  }
}

it("etcd answers and shows every random history as memory does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(shape, { minLength: 1, maxLength: 12 }), async (shapes) => {
      const memory = new MemoryStore({ limits });
      const etcd = await cluster.open(`model-${histories++}/`, { limits });
      try {
        const start = (await etcd.range("")).revision;
        const by = start - (await memory.range("")).revision;
        const leases = [
          [(await memory.grantLease(60_000)).id, "no-such-lease"],
          [(await etcd.grantLease(60_000)).id, "no-such-lease"],
        ] as const;
        const named = (value: unknown, [lease]: readonly string[]) =>
          JSON.parse(JSON.stringify(value).replaceAll(`"${lease}"`, '"the lease"'));
        for (const make of shapes) {
          const expected = await outcome(memory, make(leases[0]), 0);
          const seen = await outcome(etcd, make(leases[1]), by);
          expect(named(seen, leases[1])).toEqual(named(expected, leases[0]));
        }
        const [left, right] = [await memory.range(""), moved(await etcd.range(""), -by)];
        expect(named(right, leases[1])).toEqual(named(left, leases[0]));
        const changes = left.revision - 1;
        if (changes === 0) return;
        const signal = new AbortController().signal;
        const batches = await take(memory.watch("", 0, signal), changes);
        const others = moved(await take(etcd.watch("", start + 1, signal), changes), -by);
        const keyOf = (event: object) => JSON.stringify(event, ["kind", "item", "key"]);
        const sorted = (list: unknown) =>
          (list as { events: object[] }[]).map((batch) => ({
            ...batch,
            events: batch.events.toSorted((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1)),
          }));
        expect(named(sorted(others), leases[1])).toEqual(named(sorted(batches), leases[0]));
      } finally {
        await etcd.close();
        await memory.close();
      }
    }),
    { numRuns: 60 },
  );
});

/**
 * sqlite against memory: the same random history must read the same, through bursts, lease ends and reopened files.
 * fast-check shrinks a difference to the shortest history that shows it; its seed replays it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { ManualClock } from "../../clock/index.ts";
import { isFabricError } from "../../errors/index.ts";
import { MemoryStore, type Operation, SqliteStore, type Store, type WatchBatch } from "../../store/index.ts";
import { key, prefix, type Shape, shape } from "./store-shapes.ts";

const limits = { totalBytesMax: 200, keyBytesMax: 12, valueBytesMax: 40, operationsMax: 6 };

class Model {
  readonly clock = new ManualClock();
  readonly store: MemoryStore;
  nextId = "store";
  leases: string[] = ["no-such-lease"];

  constructor() {
    this.store = new MemoryStore({ clock: this.clock, limits, newId: () => this.nextId });
  }
}

class Real {
  readonly clock: ManualClock;
  readonly path: string;
  readonly model: Model;
  store: SqliteStore;
  abort = new AbortController();
  readonly seen: WatchBatch[] = [];
  watching: Promise<void>;

  private constructor(path: string, model: Model, clock: ManualClock, store: SqliteStore) {
    this.clock = clock;
    this.path = path;
    this.model = model;
    this.store = store;
    this.watching = this.follow(2);
  }

  static async open(path: string, model: Model): Promise<Real> {
    const clock = new ManualClock();
    return new Real(path, model, clock, await Real.#openStore(path, model, clock));
  }

  static #openStore(path: string, model: Model, clock: ManualClock): Promise<SqliteStore> {
    return SqliteStore.open(path, { clock, limits, newId: () => model.nextId });
  }

  async reopen(): Promise<void> {
    const { revision } = await this.store.range("");
    await until(() => (this.seen.at(-1)?.revision ?? 1) === revision);
    this.abort.abort();
    await this.watching;
    await this.store.close();
    this.store = await Real.#openStore(this.path, this.model, this.clock);
    this.abort = new AbortController();
    this.watching = this.follow(revision + 1);
  }

  async follow(from: number): Promise<void> {
    for await (const batch of this.store.watch("", from, this.abort.signal)) this.seen.push(batch);
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** What a call answered, with a failure as its code. */
async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    if (isFabricError(error)) return error.code;
    throw error;
  }
}

class Transactions implements fc.AsyncCommand<Model, Real> {
  readonly shapes: readonly Shape[];
  constructor(shapes: readonly Shape[]) {
    this.shapes = shapes;
  }
  check = () => true;
  toString = () =>
    `burst(${JSON.stringify(this.shapes.map((shape) => shape(["lease0", "lease1", "lease2"])))})`;
  async run(model: Model, real: Real): Promise<void> {
    // A pure read need not wait for writes that are not answered yet; in a burst a write makes it queue with them.
    const queued: readonly Operation[] = this.shapes.length > 1 ? [{ op: "delete", key: "none" }] : [];
    const answer = (store: Store) => {
      const txns = this.shapes.map((shape) => shape(model.leases));
      return Promise.all(
        txns.map((txn) => outcome(store.txn({ ...txn, failure: [...(txn.failure ?? []), ...queued] }))),
      );
    };
    expect(await answer(real.store)).toEqual(await answer(model.store));
  }
}

class GrantLease implements fc.AsyncCommand<Model, Real> {
  check = () => true;
  toString = () => "grant";
  async run(model: Model, real: Real): Promise<void> {
    model.nextId = `lease-${model.leases.length}`;
    const grants = [real.store.grantLease(1000), model.store.grantLease(1000)];
    const [mine, theirs] = await Promise.all(grants);
    expect(mine).toEqual(theirs);
    model.leases = [...model.leases, model.nextId];
  }
}

class EndLease implements fc.AsyncCommand<Model, Real> {
  readonly pick: number;
  readonly how: "revoke" | "keepAlive";
  constructor(pick: number, how: "revoke" | "keepAlive") {
    this.pick = pick;
    this.how = how;
  }
  check = () => true;
  toString = () => `${this.how}(${this.pick})`;
  async run(model: Model, real: Real): Promise<void> {
    const lease = model.leases[this.pick % model.leases.length] ?? "";
    const call = (store: Store) =>
      outcome(this.how === "revoke" ? store.revokeLease(lease) : store.keepAlive(lease));
    expect(await call(real.store)).toEqual(await call(model.store));
  }
}

class Elapse implements fc.AsyncCommand<Model, Real> {
  check = () => true;
  toString = () => "elapse";
  async run(model: Model, real: Real): Promise<void> {
    await model.clock.advance(600);
    await real.clock.advance(600);
    // Expiries reach the disk by themselves; a write that changes nothing waits behind them.
    await real.store.revokeLease("no-such-lease");
  }
}

class Range implements fc.AsyncCommand<Model, Real> {
  readonly prefix: string;
  readonly options: { limit: number; from: string; keysOnly: boolean };
  constructor(prefix: string, options: { limit: number; from: string; keysOnly: boolean }) {
    this.prefix = prefix;
    this.options = options;
  }
  check = () => true;
  toString = () => `range(${this.prefix}, ${JSON.stringify(this.options)})`;
  async run(model: Model, real: Real): Promise<void> {
    const [mine, theirs] = [real.store, model.store].map((store) => store.range(this.prefix, this.options));
    expect(await mine).toEqual(await theirs);
  }
}

class Reopen implements fc.AsyncCommand<Model, Real> {
  check = () => true;
  toString = () => "reopen";
  async run(model: Model, real: Real): Promise<void> {
    await real.reopen();
    // Leases begin anew in a reopened store: let the model's do so, too.
    for (const lease of model.leases) await outcome(model.store.keepAlive(lease));
    expect(await real.store.range("")).toEqual(await model.store.range(""));
  }
}

/** Opening a file takes 50 ms, a command 1: reopen seldom, and once at the end of each history. */
const commands = [
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc.array(shape, { minLength: 1, maxLength: 6 }).map((list) => new Transactions(list)),
    },
    { weight: 3, arbitrary: fc.constant(new GrantLease()) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(fc.nat(4), fc.constantFrom("revoke" as const, "keepAlive" as const))
        .map(([pick, how]) => new EndLease(pick, how)),
    },
    { weight: 3, arbitrary: fc.constant(new Elapse()) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(prefix, fc.record({ limit: fc.nat(4), from: key, keysOnly: fc.boolean() }))
        .map(([prefix, options]) => new Range(prefix, options)),
    },
    { weight: 1, arbitrary: fc.constant(new Reopen()) },
  ),
];

it("sqlite answers and shows every random history as memory does", async () => {
  await fc.assert(
    fc.asyncProperty(fc.commands(commands, { maxCommands: 40 }), async (history) => {
      const directory = mkdtempSync(join(tmpdir(), "heddle-store-"));
      const model = new Model();
      const real = await Real.open(join(directory, "store.db"), model);
      try {
        await fc.asyncModelRun(() => ({ model, real }), history);
        await real.reopen();
        expect(await real.store.range("")).toEqual(await model.store.range(""));
        expect(real.seen).toEqual(await everything(model.store));
      } finally {
        real.abort.abort();
        await real.store.close();
        await model.store.close();
        rmSync(directory, { recursive: true });
      }
    }),
    { numRuns: 50 },
  );
});

async function everything(store: Store): Promise<WatchBatch[]> {
  const { revision } = await store.range("");
  const batches: WatchBatch[] = [];
  if (revision === 1) return batches;
  for await (const batch of store.watch("", 0, new AbortController().signal)) {
    batches.push(batch);
    if (batch.revision === revision) break;
  }
  return batches;
}

/**
 * A store over three members while members die, freeze and are cut off. What was acknowledged stays; what was refused
 * did not happen; what is ambiguous says so; the watch has every change once, in order.
 */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isFabricError } from "../../errors/index.ts";
import type { EtcdStore, WatchBatch } from "../../store/index.ts";
import { put, write } from "../contract/store-subject.ts";
import { waitFor } from "../lab/command.ts";
import { EtcdCluster } from "../lab/etcd-cluster.ts";

let cluster: EtcdCluster;
let store: EtcdStore;

beforeEach(async () => {
  cluster = await EtcdCluster.start();
  store = await cluster.open("chaos/");
});

afterEach(async () => {
  await store?.close();
  await cluster?.dispose();
});

/** Writers that write new keys without a pause, and a watch that follows, as the registry does. */
class Traffic {
  readonly acknowledged = new Map<string, number>();
  readonly refused = new Set<string>();
  readonly ambiguous = new Set<string>();
  readonly seen: WatchBatch[] = [];
  readonly #store: EtcdStore;
  readonly #ending = new AbortController();
  readonly #running: Promise<unknown>;
  readonly #watching: Promise<void>;
  #next = 0;

  constructor(traffic: EtcdStore, from: number) {
    this.#store = traffic;
    this.#running = Promise.all(Array.from({ length: 8 }, () => this.#write()));
    this.#watching = this.#watch(from);
  }

  /** Waits for writes that began from now on. */
  async flows(count = 50): Promise<void> {
    const enough = this.acknowledged.size + count;
    await waitFor("writes to be acknowledged", () => this.acknowledged.size >= enough || undefined, 40_000);
  }

  async check(): Promise<void> {
    this.#ending.abort();
    await this.#running;
    const last = await write(this.#store, put("last", ""));
    await waitFor("the watch to end", () => this.seen.at(-1)?.revision === last.revision || undefined);
    this.#stopWatch.abort();
    await this.#watching;
    const { items } = await this.#store.range("n/");
    const there = new Map(items.map((item) => [item.key, item.modRevision]));
    for (const [key, revision] of this.acknowledged) expect([key, there.get(key)]).toEqual([key, revision]);
    expect([...this.refused].filter((key) => there.has(key))).toEqual([]);
    const unexplained = [...there.keys()].filter(
      (key) => !this.acknowledged.has(key) && !this.ambiguous.has(key),
    );
    expect(unexplained).toEqual([]);
    // No gap, no double, in order: exactly what is there, by revision.
    const watched = this.seen.flatMap(({ events }) =>
      events.flatMap((event) => (event.kind === "put" ? [[event.item.key, event.item.modRevision]] : [])),
    );
    const expected = [...there, ["last", last.revision] as const].toSorted((a, b) => a[1] - b[1]);
    expect(watched).toEqual(expected);
  }

  readonly #stopWatch = new AbortController();

  async #write(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const key = `n/${this.#next++}`;
      try {
        this.acknowledged.set(key, (await write(this.#store, put(key, "1"))).revision);
      } catch (error) {
        if (isFabricError(error, "STORE_AMBIGUOUS")) this.ambiguous.add(key);
        else if (isFabricError(error, "STORE_UNAVAILABLE")) this.refused.add(key);
        else throw error;
      }
    }
  }

  async #watch(from: number): Promise<void> {
    let next = from;
    while (!this.#stopWatch.signal.aborted) {
      try {
        for await (const batch of this.#store.watch("", next, this.#stopWatch.signal)) {
          this.seen.push(batch);
          next = batch.revision + 1;
        }
      } catch (error) {
        if (!isFabricError(error, "STORE_UNAVAILABLE")) throw error;
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }
}

async function traffic(): Promise<Traffic> {
  const flow = new Traffic(store, (await store.range("")).revision + 1);
  await flow.flows();
  return flow;
}

const faults: readonly (readonly [what: string, of: (flow: Traffic) => Promise<void>])[] = [
  [
    "each member in turn is killed and comes back",
    async (flow) => {
      for (const index of [0, 1, 2]) {
        await cluster.kill(index);
        await flow.flows();
        cluster.startMember(index);
        await cluster.healthy(index);
      }
    },
  ],
  [
    "the leader is frozen and thawed",
    async (flow) => {
      const index = cluster.leader();
      cluster.signal(index, "SIGSTOP");
      await flow.flows();
      cluster.signal(index, "SIGCONT");
      await flow.flows();
    },
  ],
  [
    "the member that serves the watch is frozen",
    async (flow) => {
      cluster.signal(0, "SIGSTOP");
      await flow.flows();
      const before = flow.seen.length;
      await waitFor("the watch to go on", () => flow.seen.length > before || undefined);
      cluster.signal(0, "SIGCONT");
      await flow.flows();
    },
  ],
  [
    "a member is cut off without a word and joined again",
    async (flow) => {
      cluster.cutOff(0);
      await flow.flows();
      const before = flow.seen.length;
      await waitFor("the watch to go on", () => flow.seen.length > before || undefined);
      cluster.join();
      await flow.flows();
    },
  ],
  [
    "the quorum is lost and comes back",
    async (flow) => {
      await cluster.kill(1);
      await cluster.kill(2);
      await waitFor("writes to fail", () => flow.ambiguous.size + flow.refused.size > 8 || undefined);
      cluster.startMember(1);
      cluster.startMember(2);
      await flow.flows();
    },
  ],
];

describe("a store over etcd", () => {
  it.each(faults)(
    "loses nothing and invents nothing while %s",
    async (_, fault) => {
      const flow = await traffic();
      await fault(flow);
      await flow.check();
    },
    90_000,
  );

  it("says so when no member can be reached, and recovers", async () => {
    for (const index of [0, 1, 2]) await cluster.kill(index);
    await expect(store.range("")).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    await expect(write(store, put("k", "1"))).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    const watch = store.watch("", 1_000_000, new AbortController().signal)[Symbol.asyncIterator]();
    await expect(watch.next()).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
    for (const index of [0, 1, 2]) cluster.startMember(index);
    await waitFor("the store to answer", async () => (await store.range("")).revision);
    await write(store, put("k", "2"));
  });
});

describe("two fabrics on one etcd", () => {
  it("do not see each other, and each knows its own last revision", async () => {
    const other = await cluster.open("other/");
    const mine = await write(store, put("k", "mine"));
    for (let index = 0; index < 5; index++) await write(other, put("k", `${index}`));
    const { items, revision } = await store.range("");
    expect([items.length, revision]).toEqual([1, mine.revision]);
    const idle = await write(store, { op: "delete", key: "none" });
    expect(idle.revision).toBe(mine.revision);
    await other.close();
  });
});

import { credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, it } from "vitest";
import { systemClock } from "../../clock/index.ts";
import { EtcdCluster } from "../../test/lab/etcd-cluster.ts";
import { defaultStoreLimits } from "../core/limits.ts";
import { WatchHub } from "../core/watch-hub.ts";
import type { WatchBatch } from "../store.ts";
import { Cluster } from "./cluster.ts";
import { Keyspace } from "./keyspace.ts";
import { etcdLimits } from "./limits.ts";
import { WatchFeed } from "./watch-feed.ts";

let etcd: EtcdCluster;

beforeAll(async () => {
  etcd = await EtcdCluster.start({ size: 1 });
});
afterAll(() => etcd?.dispose());

function put(key: string, value: string): number {
  const fields = etcd.ctl(["put", key, value, "--write-out=fields"]);
  return Number(/"Revision" : (\d+)/.exec(fields)?.[1]);
}

async function fed(from: number, currentRevision: () => Promise<number>) {
  const limits = etcdLimits;
  const clock = systemClock;
  const credential = credentials.createInsecure();
  const cluster = new Cluster({
    addresses: etcd.addresses,
    credentials: credential,
    clock,
    limits,
    pendingMax: 10,
  });
  const hub = new WatchHub(defaultStoreLimits, from - 1, false);
  const space = new Keyspace("feed/");
  const feed = new WatchFeed(
    { cluster, space, hub, clock, limits, currentRevision, onMarker: () => undefined },
    from,
  );
  const close = async () => {
    hub.close();
    await feed.close();
    await cluster.close();
  };
  return { hub, close };
}

async function next(source: AsyncIterable<WatchBatch>): Promise<WatchBatch | undefined> {
  for await (const batch of source) return batch;
  return undefined;
}

const forever = new AbortController().signal;

it("a hole that etcd's compaction made is told to readers, and what comes behind it is brought", async () => {
  const first = put("feed/data/k", "1");
  put("feed/data/k", "2");
  const last = put("feed/data/k", "3");
  etcd.ctl(["compact", `${last}`]);
  const { hub, close } = await fed(first, async () => last);
  await expect(next(hub.watch("", first, forever))).rejects.toMatchObject({ code: "STORE_COMPACTED" });
  const seen = next(hub.watch("", last + 1, forever));
  const revision = put("feed/data/k", "4");
  expect(await seen).toMatchObject({ revision, events: [{ kind: "put", created: false }] });
  await close();
});

it("history that etcd sends in fragments arrives revision by revision", async () => {
  const from = put("feed/data/k", "5") + 1;
  const value = "x".repeat(100 * 1024);
  const revisions = Array.from({ length: 40 }, (_, index) => put(`feed/data/${index}`, value));
  const { hub, close } = await fed(from, async () => 0);
  await hub.until(revisions.at(-1) ?? 0);
  const seen: number[] = [];
  for await (const { revision, events } of hub.watch("", from, forever)) {
    expect(events).toHaveLength(1);
    if (seen.push(revision) === 40) break;
  }
  expect(seen).toEqual(revisions);
  await close();
});

it("keys of other programs below the prefix are passed over", async () => {
  const { hub, close } = await fed(put("feed/data/k", "5") + 1, async () => 0);
  put("feed/stranger", "x");
  const revision = put("feed/data/k", "6");
  expect(await next(hub.watch("", revision, forever))).toMatchObject({ revision });
  await close();
});

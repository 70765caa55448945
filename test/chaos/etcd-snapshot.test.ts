/** A snapshot over two servers of one etcd: restored at one, seen whole at the other, by readers and by those who wait. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { startApi } from "../fixtures/api.ts";
import { EtcdCluster } from "../lab/etcd-cluster.ts";

const count = 400;
let etcd: EtcdCluster;

beforeAll(async () => {
  etcd = await EtcdCluster.start({ size: 1 });
});
afterAll(() => etcd?.dispose());

it("is restored at one server and wakes who waits at the other once, with all of it", async () => {
  const [one, other] = [
    await startApi({ store: await etcd.open("snapshot/") }),
    await startApi({ store: await etcd.open("snapshot/") }),
  ];
  for (let at = 0; at < count; at++) await one.writer.kvPut(`k/${at}`, Buffer.from("old"));
  const { body: archive } = await one.client.exchange("GET", "/v1/snapshot");
  for (let at = 0; at < count - 50; at++) await one.writer.kvPut(`k/${at}`, Buffer.from("new"));
  await one.writer.kvPut("k/more", Buffer.from("new"));
  await other.registry.barrier();
  const untouched = other.registry.kv(`k/${count - 1}`)?.modifyIndex;
  const { index } = other.registry;

  const seen: string[] = [];
  const stop = other.registry.onChange(() => {
    const values = new Map<string, number>();
    for (const { value } of other.registry.kvList("k/")) {
      const text = Buffer.from(value).toString();
      values.set(text, (values.get(text) ?? 0) + 1);
    }
    seen.push([...values].map(([text, times]) => `${times} ${text}`).join(", "));
  });
  const waiting = other.client.exchange("GET", `/v1/kv/k/?recurse&index=${index}&wait=60s`);
  expect((await one.client.exchange("PUT", "/v1/snapshot", archive)).status).toBe(200);
  const { status, headers, body } = await waiting;
  stop();

  expect(seen).toEqual([`${count} old`]);
  const woken = JSON.parse(body.toString()) as { Value: string }[];
  expect([status, woken.length]).toEqual([200, count]);
  expect(woken.every(({ Value }) => Buffer.from(Value, "base64").toString() === "old")).toBe(true);
  expect(Number(headers["x-consul-index"])).toBeGreaterThan(index);
  expect(other.registry.kv(`k/${count - 1}`)?.modifyIndex).toBe(untouched);
  // A swap by what was read afterwards succeeds: an index of the restore is as good as any.
  const cas = other.registry.kv("k/0")?.modifyIndex ?? 0;
  const swapped = await one.client.exchange("PUT", `/v1/kv/k/0?cas=${cas}`, "swapped");
  expect(swapped.body.toString().trim()).toBe("true");
});

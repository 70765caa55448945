import { expect, test } from "vitest";
import { parseIp } from "../../../addr/index.ts";
import { ManualClock } from "../../../clock/index.ts";
import { Registry, RegistryWriter } from "../../../registry/index.ts";
import { MemoryStore } from "../../../store/index.ts";
import { Liveness } from "./liveness.ts";

const ttlMs = 10_000;

async function fixture() {
  const clock = new ManualClock();
  const store = new MemoryStore({ clock });
  const registry = await Registry.open({ store, clock, datacenter: "dc1" });
  const writer = new RegistryWriter({ store, registry, clock });
  await writer.upsertNode({
    name: "n1",
    id: "6b1e9e0c-0000-4000-8000-000000000001",
    address: parseIp("192.0.2.1"),
    datacenter: "dc1",
    meta: {},
    taggedAddresses: {},
  });
  const failures: unknown[] = [];
  const confirm = async () => undefined;
  const liveness = () =>
    new Liveness("n1", {
      ...{ store, writer, registry, clock, ttlMs, confirm },
      onFailure: (error) => failures.push(error),
    });
  const beat = async (live: Liveness, forMs: number) => {
    for (let ms = 0; ms < forMs; ms += 1000) {
      live.beat();
      await clock.advance(1000);
    }
  };
  return { clock, store, registry, liveness, beat, failures };
}

test("a node that beats is alive; one that stops is dead when its TTL is over", async () => {
  const { registry, liveness, beat, clock } = await fixture();
  const live = liveness();
  await live.start();
  await beat(live, 60_000);
  expect(registry.isLive("n1")).toBe(true);
  await clock.advance(ttlMs + 1000);
  expect(registry.isLive("n1")).toBe(false);
});

test("a session that slept through its TTL and writes over a newer one cannot make a beating node dead", async () => {
  const { registry, liveness, beat, clock, failures } = await fixture();
  const stale = liveness();
  await stale.start();
  await clock.advance(ttlMs + 1000);
  const current = liveness();
  await current.start();
  // What was in its socket when its process went on: one heartbeat, then it hears of its end.
  stale.beat();
  await stale.stop(false);
  await beat(current, 2 * ttlMs);
  expect([registry.isLive("n1"), failures]).toEqual([true, []]);
});

test("a join that comes late at another server takes no beating node along when its lease ends", async () => {
  const { registry, liveness, beat } = await fixture();
  const current = liveness();
  await current.start();
  await beat(current, 5000);
  const late = liveness();
  await late.start();
  await late.stop(false);
  for (let second = 0; second < 20; second++) {
    await beat(current, 1000);
    expect(registry.isLive("n1")).toBe(true);
  }
});

test("a lease that the store lost is replaced at the next beat", async () => {
  const { registry, liveness, beat, clock } = await fixture();
  const live = liveness();
  await live.start();
  await clock.advance(3 * ttlMs);
  expect(registry.isLive("n1")).toBe(false);
  await beat(live, 1000);
  expect(registry.isLive("n1")).toBe(true);
});

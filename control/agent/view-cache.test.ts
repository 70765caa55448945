import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ManualClock } from "../../clock/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { service, TestFabric } from "../../test/control/fabric.ts";
import { storeViewCache } from "./view-cache.ts";

let fabric: TestFabric;
beforeEach(() => {
  fabric = new TestFabric();
});
afterEach(() => fabric.close());

const stampAt = (savedWallMs: number) => ({ storeId: "s", revision: 1, savedWallMs });

test("keeps what has content for the next run, tells it from a server's word, and forgets what was let go", async () => {
  const server = await fabric.server();
  const cache = storeViewCache(fabric.store);
  const limits = { viewSaveDelayMs: 1, viewStampMs: 0 };
  const first = fabric.agent([server.address], { cache, limits });
  await vi.waitFor(() => expect(first.client.state.connected).toBe(true));
  const { node } = first.client;
  const epoch = first.client.state.welcome?.epoch ?? 0;
  const services = ["web", "web-2", "gone"].map((name) => service(node.name, name));
  await server.writer.syncNode(node.name, epoch, { full: true, services, checks: [] });
  const views = ["service/web", "service/web-2", "service/gone", "service/nothing"].map((name) =>
    first.client.subscribe(name),
  );
  await Promise.all(views.map((view) => view.whenTold()));
  expect(views[0]?.told).toBe(true);
  views[2]?.forget();
  views[0]?.close();
  await first.client.close();
  expect(await cache.list()).toEqual(["service/web-2", "service/web"]);

  const headless = fabric.agent(["127.0.0.1:1"], { cache, node });
  const view = headless.client.subscribe("service/web");
  await view.whenReady();
  expect([view.told, [...view.items.keys()].length]).toEqual([false, 1]);
  expect(view.ageMs()).toBeLessThan(60_000);
  await headless.client.close();
  const back = fabric.agent([server.address], { cache, node });
  const again = back.client.subscribe("service/web");
  await again.whenTold();
  expect([again.told, again.items.size]).toEqual([true, 1]);
});

test("says how old it is: since a server was last heard, not since the last change", async () => {
  const clock = new ManualClock();
  const cache = storeViewCache(new MemoryStore({ clock }));
  await cache.save("service/web", { puts: new Map([["a", "1"]]), deletes: [] }, stampAt(1000));
  await cache.heard(9000);
  expect((await cache.load("service/web"))?.savedWallMs).toBe(9000);
  await cache.save("service/web", { puts: new Map(), deletes: [] }, stampAt(12_000));
  expect((await cache.load("service/web"))?.savedWallMs).toBe(12_000);
});

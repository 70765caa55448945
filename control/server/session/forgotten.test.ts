/** A node that comes back while an operator frees what it holds: its blocks and its term go together, or not at all. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { parseCidr } from "../../../addr/index.ts";
import { systemClock } from "../../../clock/index.ts";
import { liveKey } from "../../../registry/index.ts";
import { TestFabric } from "../../../test/control/fabric.ts";
import type { PoolService } from "../calls/pool-service.ts";

let fabric: TestFabric;
beforeEach(async () => {
  fabric = new TestFabric(systemClock, { liveKeyOf: liveKey });
  await fabric.createNetwork();
});
afterEach(() => fabric.close());

const pool = parseCidr("10.1.0.0/24");
const alive = expect.objectContaining({ code: "IPAM_NODE_ALIVE" });

test("one that is connected keeps its blocks", async () => {
  const server = await fabric.server({ limits: { liveTtlMs: 1000 } });
  const { client } = fabric.agent([server.address], { node: fabric.identity("n1") });
  await vi.waitFor(() => expect(client.state.connected).toBe(true));
  await expect(fabric.pools.forgetNode("n1", { force: true })).rejects.toEqual(alive);
  await client.close();
  const freed = async () => expect(await fabric.pools.forgetNode("n1", { force: true })).toBe(true);
  await vi.waitFor(freed);
});

test("one that had its term renewed just before is not welcomed into it", async () => {
  const { pools } = fabric;
  const { epoch } = await pools.joinNode("n1");
  await pools.claimBlock("n1", epoch, { network: "web", pool });
  const racing = Object.create(pools) as PoolService;
  racing.joinNode = async (node, held) => {
    const term = await pools.joinNode(node, held);
    if (term.epoch !== epoch) return term;
    await pools.forgetNode("n1", { force: true });
    return term;
  };
  for (const name of ["renewNode", "confirmTerm"] as const) racing[name] = pools[name].bind(pools) as never;
  const server = await fabric.server({ pools: racing });
  const welcomed: number[] = [];
  const { client, events } = fabric.agent([server.address], {
    node: fabric.identity("n1"),
    heldTerm: () => ({ storeId: fabric.store.id, epoch }),
    onJoined: async (welcome) => void welcomed.push(welcome.epoch),
  });
  await vi.waitFor(() => expect(client.state.connected).toBe(true));
  expect(welcomed).not.toContain(epoch);
  expect(events).toContainEqual(
    expect.objectContaining({
      kind: "refused",
      error: expect.objectContaining({ code: "IPAM_STALE_EPOCH" }),
    }),
  );
});

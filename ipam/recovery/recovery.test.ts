/**
 * The promise of a recovery: whatever the store lost, also all of it, the containers of nodes that state what they hold
 * keep their addresses, and no address is given to a second one.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Ip } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { MemoryStore, type Store } from "../../store/index.ts";
import {
  encodeStatement,
  ipamKeys,
  type NetworkRecord,
  NodeIpam,
  PoolAuthority,
  peersAfter,
  Recovery,
  type Statement,
  storeLeaseJournal,
} from "../index.ts";
import { peersMax } from "./statement.ts";

const clock = new ManualClock();
const boot = () => ({ bootId: "b", steadyMs: clock.monotonicMs(), uptimeMs: clock.monotonicMs() });

/** A node with its disk, which outlives every store. */
class Node {
  readonly name: string;
  readonly #disk = new MemoryStore({ clock });
  readonly containers = new Map<string, readonly Ip[]>();
  ipam!: NodeIpam;
  storeId = "";
  #servers!: PoolAuthority;
  #views!: ReadonlyMap<string, NetworkRecord>;
  #ids = 0;

  constructor(name: string) {
    this.name = name;
  }

  async open(): Promise<void> {
    this.ipam = await NodeIpam.open({
      journal: storeLeaseJournal(this.#disk, "leases/"),
      source: {
        network: (name) => this.#views.get(name),
        claimBlock: (request) => this.#servers.claimBlock(this.name, this.ipam.epoch() ?? 0, request),
        releaseBlock: (claim) => this.#servers.releaseBlock(claim),
        claimStatic: (request) => this.#servers.claimStatic(this.name, this.ipam.epoch() ?? 0, request),
        releaseStatic: (claim) => this.#servers.releaseStatic(claim),
      },
      clock,
      bootClock: { now: boot },
    });
    // Ticks are made by the tests.
    this.ipam.stop();
  }

  /** As an agent does it: another store's term goes on only if the servers took it over. */
  async join(fabric: Fabric): Promise<boolean> {
    this.#servers = fabric.servers;
    this.#views = fabric.views;
    const held = this.ipam.epoch();
    const term = await fabric.servers.joinNode(this.name, held, this.storeId || undefined);
    const goesOn = term.epoch === held && (this.storeId === fabric.store.id || term.madeIn === this.storeId);
    if (!goesOn) {
      await this.ipam.fence(0);
      this.containers.clear();
    }
    this.storeId = fabric.store.id;
    await this.ipam.joined(clock.monotonicMs(), term);
    return goesOn;
  }

  async allocate(address?: Ip): Promise<void> {
    const containerId = `${this.name}-${this.#ids++}`;
    const owner = { containerId, ifname: "eth0" };
    const leases = await this.ipam.allocate({
      network: "web",
      owner,
      ...(address !== undefined && { addresses: [address] }),
    });
    this.containers.set(
      containerId,
      leases.map(({ ip }) => ip),
    );
  }

  async release(): Promise<void> {
    const [containerId] = this.containers.keys();
    if (containerId === undefined) return;
    this.containers.delete(containerId);
    await this.ipam.release(undefined, { containerId, ifname: "eth0" });
  }

  statement(names: readonly string[], networks: readonly NetworkRecord[]): Statement {
    const epoch = this.ipam.epoch() ?? 0;
    const { storeId, name: node } = this;
    return {
      node,
      storeId,
      epoch,
      hasLeft: false,
      networks,
      peers: peersAfter(node, names),
      ...this.ipam.holdings(),
    };
  }
}

interface Fabric {
  readonly store: Store;
  readonly servers: PoolAuthority;
  readonly views: Map<string, NetworkRecord>;
}

function fabricOn(store: Store): Fabric {
  return { store, servers: new PoolAuthority(store, clock), views: new Map() };
}

async function copyOf(store: Store): Promise<readonly { key: string; value: Uint8Array }[]> {
  return (await store.range("")).items.map(({ key, value }) => ({ key, value }));
}

function assertUnique(nodes: readonly Node[]): void {
  const holders = new Map<Ip, string>();
  for (const { name, containers } of nodes) {
    for (const [id, ips] of containers) {
      for (const ip of ips) {
        const other = holders.get(ip);
        if (other !== undefined) expect.fail(`${ip} is held by ${other} and ${name}/${id}`);
        holders.set(ip, `${name}/${id}`);
      }
    }
  }
}

type Op =
  | { readonly kind: "allocate"; readonly node: number; readonly address: number | undefined }
  | { readonly kind: "release" | "surrender" | "rejoin"; readonly node: number }
  | { readonly kind: "rest" };

const node = fc.nat(2);
const op: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant("allocate"), node, address: fc.constant(undefined) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("allocate"), node, address: fc.integer({ min: 1, max: 62 }) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom("release", "surrender", "rejoin"), node }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("rest") }) },
);

async function perform(nodes: readonly Node[], fabric: Fabric, action: Op): Promise<void> {
  if (action.kind === "rest") {
    await clock.advance(31_000);
    for (const { ipam } of nodes) await ipam.tick();
    return;
  }
  const one = nodes[action.node] as Node;
  try {
    if (action.kind === "allocate")
      await one.allocate(action.address === undefined ? undefined : (`10.9.0.${action.address}` as Ip));
    else if (action.kind === "release") await one.release();
    else if (action.kind === "surrender") await one.ipam.surrenderEmptyBlocks("web");
    else await one.join(fabric);
  } catch (error) {
    if (!(error instanceof Error) || error.name === "AssertionError") throw error;
  }
}

async function setUp(cidr = "10.9.0.0/26"): Promise<{ nodes: readonly Node[]; fabric: Fabric }> {
  const fabric = fabricOn(new MemoryStore({ clock }));
  const network = { name: "web", pools: [{ cidr, blockPrefix: 30 }] };
  fabric.views.set("web", await fabric.servers.createNetwork(network));
  const nodes = ["n0", "n1", "n2"].map((name) => new Node(name));
  for (const one of nodes) {
    await one.open();
    await one.join(fabric);
  }
  return { nodes, fabric };
}

/** A new store with what is left of the old one, gathered from the nodes. */
async function recover(
  nodes: readonly Node[],
  left: readonly { key: string; value: Uint8Array }[],
  networks: readonly NetworkRecord[],
  gone: readonly string[] = [],
) {
  const store = new MemoryStore({ clock });
  await store.replace({ items: left, replaces: () => true });
  const recovery = new Recovery(store, clock);
  await recovery.begin();
  const after = fabricOn(store);
  for (const network of networks) after.views.set(network.name, network);
  const names = nodes.map(({ name }) => name);
  for (const one of nodes) {
    await expect(one.join(after)).rejects.toMatchObject({ code: "IPAM_RECOVERING" });
    if (!gone.includes(one.name))
      await recovery.restate(one.name, encodeStatement(one.statement(names, networks)), {});
  }
  return { after, recovery };
}

describe("a recovery", () => {
  it("keeps every address of who stated it, and gives none of them to another, from any copy of the store or none", async () => {
    let kept = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(op, { minLength: 5, maxLength: 25 }),
        fc.array(op, { minLength: 5, maxLength: 25 }),
        fc.array(op, { minLength: 10, maxLength: 30 }),
        fc.boolean(),
        fc.option(node, { nil: undefined }),
        async (before, since, later, hasBackup, lost) => {
          const { nodes, fabric } = await setUp();
          for (const action of before) await perform(nodes, fabric, action);
          const backup = hasBackup ? await copyOf(fabric.store) : [];
          for (const action of since) await perform(nodes, fabric, action);
          const dead = lost === undefined ? undefined : nodes[lost];
          dead?.containers.clear();
          const gone = dead ? [dead.name] : [];
          const held = nodes.flatMap(({ containers }) => [...containers.values()].flat());
          const { after, recovery } = await recover(nodes, backup, [...fabric.views.values()], gone);
          if (dead) {
            await expect(recovery.finish([], async () => undefined)).rejects.toMatchObject({
              code: "IPAM_RECOVERY_STATE",
            });
          }
          const enrolled: string[] = [];
          await recovery.finish(
            gone,
            async (all) => void enrolled.push(...all.map(({ node: name }) => name)),
          );
          expect(enrolled.toSorted()).toEqual(
            nodes.map(({ name }) => name).filter((name) => name !== dead?.name),
          );
          for (const one of nodes) expect(await one.join(after)).toBe(one !== dead);
          expect(nodes.flatMap(({ containers }) => [...containers.values()].flat())).toEqual(held);
          for (const action of later) {
            await perform(nodes, after, action);
            assertUnique(nodes);
          }
          kept += held.length;
        },
      ),
      { numRuns: 150 },
    );
    expect(kept).toBeGreaterThan(500);
  });

  it("leaves a block that changed hands after the copy to its present holder", async () => {
    const { nodes, fabric } = await setUp("10.9.0.0/29");
    const [one, other] = nodes as [Node, Node];
    for (const each of [one, other]) await each.allocate();
    const backup = await copyOf(fabric.store);
    await one.release();
    await clock.advance(31_000);
    await one.ipam.tick();
    await one.ipam.surrenderEmptyBlocks("web");
    while (other.ipam.holdings().blocks.length < 2) await other.allocate();
    const { after, recovery } = await recover(nodes, backup, [...fabric.views.values()]);
    await recovery.finish([], async () => undefined);
    for (const each of nodes) expect(await each.join(after)).toBe(true);
    await expect(one.allocate()).rejects.toMatchObject({ code: "IPAM_POOL_EXHAUSTED" });
    assertUnique(nodes);
  });

  it("has terms and claims above all that was stated, so that nothing old is taken for new", async () => {
    const { nodes, fabric } = await setUp();
    for (const one of nodes) await one.allocate();
    const { after, recovery } = await recover(nodes, [], [...fabric.views.values()]);
    await recovery.finish([], async () => undefined);
    const most = Math.max(
      ...nodes.flatMap(({ ipam }) => [
        ipam.epoch() ?? 0,
        ...ipam.holdings().blocks.map(({ serial }) => serial),
      ]),
    );
    const fresh = await after.servers.joinNode("fresh");
    expect(fresh.epoch).toBeGreaterThan(most);
    const claim = await after.servers.claimBlock("fresh", fresh.epoch, {
      network: "web",
      pool: after.views.get("web")?.pools[0]?.cidr as never,
    });
    expect(claim.serial).toBeGreaterThan(most);
  });

  it("gives nothing and takes nothing back while it gathers", async () => {
    const { nodes, fabric } = await setUp();
    const [one] = nodes as [Node];
    await one.allocate();
    const backup = await copyOf(fabric.store);
    const { after, recovery } = await recover(nodes, backup, [...fabric.views.values()]);
    const refused = { code: "IPAM_RECOVERING" };
    const epoch = one.ipam.epoch() ?? 0;
    const pool = after.views.get("web")?.pools[0]?.cidr as never;
    await expect(after.servers.renewNode(one.name, epoch)).rejects.toMatchObject(refused);
    await expect(after.servers.claimBlock(one.name, epoch, { network: "web", pool })).rejects.toMatchObject(
      refused,
    );
    const owner = { containerId: "c", ifname: "eth0" };
    await expect(
      after.servers.claimStatic(one.name, epoch, { network: "web", ip: "10.9.0.60" as Ip, owner }),
    ).rejects.toMatchObject(refused);
    await clock.advance(25 * 3600_000);
    await after.servers.reclaimTick();
    await clock.advance(25 * 3600_000);
    expect(await after.servers.reclaimTick()).toEqual([]);
    expect((await recovery.status()).restated).toHaveLength(3);
  });

  it("refuses two nodes with one address, changes nothing, and goes on when one of them is vouched for", async () => {
    const { nodes, fabric } = await setUp();
    const [one, other] = nodes as [Node, Node];
    await one.allocate();
    const networks = [...fabric.views.values()];
    const { recovery, after } = await recover(nodes, [], networks);
    const [block] = one.ipam.holdings().blocks;
    const twin = { ...block, node: other.name, epoch: other.ipam.epoch() } as never;
    const forged = { ...other.statement([], networks), blocks: [twin] };
    await recovery.restate(other.name, encodeStatement(forged), {});
    const before = await copyOf(after.store);
    await expect(recovery.finish([], async () => undefined)).rejects.toMatchObject({
      code: "IPAM_RECOVERY_CONFLICT",
    });
    expect(await copyOf(after.store)).toEqual(before);
    await recovery.finish([other.name], async () => undefined);
    expect(await one.join(after)).toBe(true);
    expect(await other.join(after)).toBe(false);
  });

  it("that died on the way of its finish comes to the same when it is done again", async () => {
    const { nodes, fabric } = await setUp();
    for (const one of nodes) for (let i = 0; i < 5; i++) await one.allocate();
    const { recovery, after } = await recover(nodes, [], [...fabric.views.values()]);
    const died = new Error("died");
    await expect(recovery.finish([], () => Promise.reject(died))).rejects.toBe(died);
    await expect(nodes[0]?.join(after)).rejects.toMatchObject({ code: "IPAM_RECOVERING" });
    await recovery.finish([], async () => undefined);
    for (const one of nodes) expect(await one.join(after)).toBe(true);
    await expect(recovery.finish([], async () => undefined)).rejects.toMatchObject({
      code: "IPAM_RECOVERY_STATE",
    });
    expect((await after.store.range(ipamKeys.restated)).items).toEqual([]);
  });

  it("takes a node's word for itself only", async () => {
    const { nodes } = await setUp();
    const [one, other] = nodes as [Node, Node];
    await one.allocate();
    const { recovery } = await recover(nodes, [], []);
    const forged = encodeStatement({ ...other.statement([], []), blocks: one.ipam.holdings().blocks });
    for (const text of [forged, "{}", "x", encodeStatement(one.statement([], []))])
      await expect(recovery.restate(other.name, text, {})).rejects.toMatchObject({
        code: "IPAM_REQUEST_INVALID",
      });
  });

  it("that is cancelled lets nodes in as any store does: what they hold is void", async () => {
    const { nodes, fabric } = await setUp();
    const [one] = nodes as [Node];
    await one.allocate();
    const { recovery, after } = await recover(nodes, [], [...fabric.views.values()]);
    await recovery.cancel();
    expect(await one.join(after)).toBe(false);
  });

  it("misses each node by some other's word, whatever the size of the fabric", () => {
    const names = Array.from({ length: 1000 }, (_, at) => `n${at}`);
    const named = new Set(names.flatMap((name) => (name === "n7" ? [] : peersAfter(name, names))));
    expect(named.has("n7")).toBe(true);
    expect(peersAfter("n7", names)).toHaveLength(peersMax);
    expect(peersAfter("n7", ["n7"])).toEqual([]);
  });
});

/** What the authority does over time: nodes that come back late, another that takes over, one that is lost. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { ManualClock, systemClock } from "../../clock/index.ts";
import { heedAuthorities } from "../../daemon/link/server-link.ts";
import { MemoryStore } from "../../store/index.ts";
import { type TestAgent, TestFabric, type TestServer } from "../../test/control/fabric.ts";
import { createKeyPair, createRequest, requestedKey } from "./authority.ts";
import { believedOf, nextStep, stepOf, waitedFor } from "./authority-state.ts";
import { AgentTrust, authorityKey, fingerprintOf, parseToken, TrustBook } from "./index.ts";

const dayMs = 24 * 3600_000;
const code = (expected: string, message = /./) =>
  expect.objectContaining({ code: expected, message: expect.stringMatching(message) });

describe("a node whose certificate has ended", () => {
  let clock: ManualClock;
  let book: TrustBook;
  let key: string;

  beforeEach(async () => {
    clock = new ManualClock(Date.now());
    book = new TrustBook({ store: new MemoryStore({ clock }), clock });
    const pair = await createKeyPair();
    ({ key } = pair);
    const { id, secret } = parseToken((await book.createToken({})).text);
    await book.enroll({ tokenId: id, secret, node: "n1", request: pair.request });
  });

  const comeBack = async (withKey = key) => book.comeBack("n1", createRequest(withKey));

  test("is given another for its key, for thirty days", async () => {
    clock.jumpWall(20 * dayMs);
    await expect(comeBack()).resolves.toBeDefined();
    clock.jumpWall(30 * dayMs);
    await expect(comeBack()).resolves.toBeDefined();
    clock.jumpWall(31 * dayMs);
    await expect(comeBack()).rejects.toEqual(
      code("CONTROL_IDENTITY_REFUSED", /ended more than 30 days ago.*token create --node n1/),
    );
  });

  test("is not known by another key, nor is another node by its key", async () => {
    const other = await createKeyPair();
    const stranger = code("CONTROL_IDENTITY_REFUSED", /does not know it.*token create/);
    await expect(comeBack(other.key)).rejects.toEqual(stranger);
    await expect(book.comeBack("n2", createRequest(key))).rejects.toEqual(stranger);
  });

  test("is out if it was revoked or forgotten", async () => {
    await book.revoke("n1");
    await expect(comeBack()).rejects.toEqual(code("CONTROL_IDENTITY_REFUSED", /was revoked/));
    await book.forget("n1");
    await expect(comeBack()).rejects.toEqual(code("CONTROL_IDENTITY_REFUSED", /does not know it/));
  });

  test("is known by the key that it renewed with, where it fell before it had the next one", async () => {
    const [next, later] = [await createKeyPair(), await createKeyPair()];
    const by = (pair: { readonly request: string }) => requestedKey(pair.request);
    const first = { request: createRequest(key) };
    await book.renew("n1", 0, next.request, by(first));
    clock.jumpWall(2 * dayMs);
    for (const one of [key, next.key]) await expect(comeBack(one)).resolves.toBeDefined();
    await book.renew("n1", 0, later.request, by(next));
    await expect(comeBack()).rejects.toEqual(code("CONTROL_IDENTITY_REFUSED"));
  });

  test("is forgotten when it may not come back any more", async () => {
    await book.dropEnded();
    expect(await book.authorities.issued()).toHaveLength(1);
    clock.jumpWall(31 * dayMs + 1);
    await book.dropEnded();
    expect(await book.authorities.issued()).toEqual([]);
  });
});

describe("a rotation", () => {
  let clock: ManualClock;
  let store: MemoryStore;
  /** As a server has it that was started just now. */
  const book = () => new TrustBook({ store, clock });

  beforeEach(() => {
    clock = new ManualClock(Date.now());
    store = new MemoryStore({ clock });
  });

  async function enroll(node: string): Promise<{ readonly chain: string; readonly authority: string }> {
    const { id, secret } = parseToken((await book().createToken({})).text);
    const { request } = await createKeyPair();
    return book().enroll({ tokenId: id, secret, node, request });
  }

  async function renew(node: string): Promise<void> {
    const { request } = await createKeyPair();
    await book().renew(node, 0, request, "key");
  }

  const step = async () => stepOf(await book().authorities.state());

  test("waits for every node at each step, whichever server looks", async () => {
    for (const node of ["n1", "n2"]) await enroll(node);
    const [before] = believedOf(await book().authorities.state());
    await book().authorities.rotate();
    await expect(book().authorities.rotate()).rejects.toEqual(code("CONTROL_ROTATION_UNDER_WAY"));
    await renew("n1");
    expect([await book().authorities.advance(), await step()]).toEqual([undefined, "distributing"]);
    await renew("n2");
    const taken = await Promise.all([book().authorities.advance(), book().authorities.advance()]);
    expect([taken.filter(Boolean).length, await step()]).toEqual([1, "moving"]);
    for (const node of ["n1", "n2"]) {
      expect(await book().authorities.advance()).toBeUndefined();
      await renew(node);
    }
    await book().authorities.advance();
    const after = await book().authorities.state();
    expect([stepOf(after), believedOf(after).length]).toEqual(["steady", 1]);
    expect(believedOf(after)).not.toContain(before);
    await book().authorities.rotate();
    expect(await step()).toBe("distributing");
  });

  test("goes on after a day without a node that is off", async () => {
    await enroll("n1");
    await book().authorities.rotate();
    clock.jumpWall(dayMs - 1);
    expect(await book().authorities.advance()).toBeUndefined();
    await enroll("n2");
    clock.jumpWall(1);
    await book().authorities.advance();
    expect(await step()).toBe("moving");
    clock.jumpWall(dayMs - 2);
    expect(await book().authorities.advance()).toBeUndefined();
    clock.jumpWall(1);
    await book().authorities.advance();
    expect(await step()).toBe("steady");
  });

  test("never signs by what a node does not believe, nor forgets what signed a certificate that is good", () => {
    const [a, b] = pems;
    const record = { fabric: "f", certificate: a, key: "" };
    const node = fc.record({
      generation: fc.constant(0),
      keys: fc.constant([]),
      untilMs: fc.integer({ min: 0, max: 3 * dayMs }),
      by: fc.constantFrom(fingerprintOf(a), fingerprintOf(b)),
      believes: fc.subarray([fingerprintOf(a), fingerprintOf(b)]),
    });
    fc.assert(
      fc.property(
        fc.array(node),
        fc.integer({ min: 0, max: 2 * dayMs }),
        fc.boolean(),
        (issued, nowMs, moving) => {
          const state = {
            ...record,
            stepSinceMs: 0,
            ...(moving ? { certificate: b, former: a } : { next: { certificate: b, key: "" } }),
          };
          const goesOn = nextStep(state, issued, nowMs, dayMs) !== undefined;
          const good = issued.filter(({ untilMs }) => untilMs > nowMs);
          const behind = good.filter(
            ({ by, believes }) => !believes.includes(fingerprintOf(b)) || (moving && by === fingerprintOf(a)),
          );
          expect(goesOn).toBe(behind.length === 0 || nowMs >= dayMs);
          expect(waitedFor(state, issued, nowMs)).toEqual(behind);
        },
      ),
    );
  });
});

describe("over the wire", () => {
  let fabric: TestFabric;
  let directory: string;
  let book: TrustBook;
  let trusts: AgentTrust[];
  const lifeMs = 1500;

  beforeEach(() => {
    fabric = new TestFabric();
    directory = mkdtempSync(join(tmpdir(), "heddle-authority-"));
    book = new TrustBook({ store: fabric.store, clock: systemClock });
    trusts = [];
  });
  afterEach(async () => {
    for (const trust of trusts) trust.close();
    await fabric.close();
    rmSync(directory, { recursive: true });
  });

  async function agentOf(
    server: TestServer,
    node: string,
    token?: string,
  ): Promise<TestAgent & { readonly log: string[]; readonly trust: AgentTrust }> {
    const log: string[] = [];
    const trust = await AgentTrust.open({
      node,
      directory: join(directory, node),
      servers: [server.address],
      clock: systemClock,
      random: () => 0,
      ...(token !== undefined && { token }),
      log: (event) => log.push(event.kind === "certified" ? event.how : event.kind),
    });
    trusts.push(trust);
    const agent = fabric.agent([server.address], { trust, node: fabric.identity(node, idOf(node)) });
    heedAuthorities(trust, agent.client);
    return { ...agent, log, trust };
  }

  const idOf = (node: string) => `00000000-0000-4000-8000-00000000000${node.at(-1)}`;
  const connected = ({ client }: TestAgent) => vi.waitFor(() => expect(client.state.connected).toBe(true));
  const tokenOf = async (spec = {}) => (await book.createToken(spec)).text;

  /** Until the rotation is over. */
  async function rotate(): Promise<void> {
    await book.authorities.rotate();
    await vi.waitFor(
      async () => {
        await book.authorities.advance();
        expect(stepOf(await book.authorities.state())).toBe("steady");
      },
      { interval: 50 },
    );
  }

  test("a node that was off for longer than its certificate comes back by its key", async () => {
    const short = new TrustBook({
      store: fabric.store,
      clock: systemClock,
      limits: { nodeCertificateMs: lifeMs },
    });
    const server = await fabric.server({ trust: short });
    const first = await agentOf(server, "n1", await tokenOf());
    await connected(first);
    first.trust.close();
    await first.client.close();
    const { untilMs } = (await book.authorities.issued())[0] ?? { untilMs: 0 };
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(untilMs + 1000));
    const again = await agentOf(server, "n1");
    await connected(again);
    expect(again.log[0]).toBe("returned");
    expect(server.events).toContainEqual({ kind: "cameBack", node: "n1" });
  });

  test("a rotation cuts nobody off, and tokens of before stay good", async () => {
    const server = await fabric.server({ trust: book });
    const token = await tokenOf({ uses: 2 });
    const agent = await agentOf(server, "n1", token);
    await connected(agent);
    const [before] = believedOf(await book.authorities.state());
    await book.authorities.rotate();
    await vi.waitFor(() => expect(agent.log).toEqual(["enrolled", "renewed"]));
    await vi.waitFor(async () => expect(await book.authorities.advance()).toBeDefined());
    await connected(await agentOf(server, "n2", token));
    await vi.waitFor(() => expect(agent.log.length).toBeGreaterThan(2));
    await vi.waitFor(async () => {
      await book.authorities.advance();
      expect(stepOf(await book.authorities.state())).toBe("steady");
    });
    expect(believedOf(await book.authorities.state())).not.toContain(before);
    expect(agent.events.filter(({ kind }) => kind !== "connected")).toEqual([]);
    await agent.client.close();
    agent.trust.close();
    await connected(await agentOf(server, "n1"));
  });

  test("a node that was off through a whole rotation is led to the new authority", async () => {
    const limits = { nodeCertificateMs: lifeMs, rotationStepMs: lifeMs };
    const quick = new TrustBook({ store: fabric.store, clock: systemClock, limits });
    const server = await fabric.server({ trust: quick });
    const off = await agentOf(server, "n1", await tokenOf());
    await connected(off);
    off.trust.close();
    await off.client.close();
    book = quick;
    for (let rotations = 0; rotations < 2; rotations++) await rotate();
    const again = await agentOf(server, "n1");
    await connected(again);
    expect(again.log[0]).toBe("returned");
  });

  test("a reset refuses everything of before, and lets known nodes in again by one token and their keys", async () => {
    const server = await fabric.server({ trust: book });
    const agent = await agentOf(server, "n1", await tokenOf());
    await connected(agent);
    await book.authorities.reset();
    await vi.waitFor(() => expect(agent.client.state.connected).toBe(false));
    await agent.client.close();
    agent.trust.close();
    const token = await tokenOf({ uses: 2 });
    const again = await agentOf(server, "n1", token);
    await connected(again);
    expect(again.log[0]).toBe("enrolled");
    rmSync(join(directory, "n1"), { recursive: true });
    const thief = await agentOf(server, "n1", token);
    await vi.waitFor(() => expect(thief.client.state.error?.code).toBe("CONTROL_TOKEN_REFUSED"));
  });

  test("a store of before another authority is told of at both ends, and nodes are let in whose keys it does not know", async () => {
    const { store } = fabric;
    const server = await fabric.server({ trust: book });
    const use = async (at: TestServer, token?: string) => {
      const agent = await agentOf(at, "n1", token);
      onTestFinished(() => agent.trust.close());
      return agent;
    };
    const left = async ({ client, trust }: Awaited<ReturnType<typeof use>>) => {
      trust.close();
      await client.close();
    };
    const first = await use(server, await tokenOf());
    await connected(first);
    await left(first);
    // It knows no key that the node had after it.
    const { items } = await store.range("trust/");
    const copy = items.filter(({ key }) => !key.includes("issued"));
    await book.authorities.reset();
    const second = await use(server, await tokenOf());
    await connected(second);
    await left(second);
    await server.close();

    await store.txn({
      success: (await store.range("trust/")).items.map(({ key }) => ({ op: "delete", key })),
    });
    await store.txn({ success: copy.map(({ key, value }) => ({ op: "put", key, value })) });
    book = new TrustBook({ store, clock: systemClock });
    const later = await fabric.server({ trust: book });
    const lost = await use(later);
    const unknown = code(
      "CONTROL_IDENTITY_REFUSED",
      /of before a rotation or a reset.*heddle ca reset --force/,
    );
    await vi.waitFor(() => expect(lost.client.state.error).toEqual(unknown));
    const why = expect.stringMatching(/does not know the authority/);
    await vi.waitFor(() =>
      expect(later.events).toContainEqual(expect.objectContaining({ kind: "peerRefused", why })),
    );
    await left(lost);

    await book.authorities.reset();
    const refused = async (token: string) => {
      const agent = await use(later, token);
      await vi.waitFor(() => expect(agent.log).toContain("token refused"));
      await left(agent);
    };
    await refused(await tokenOf());
    const again = await use(later, await tokenOf({ readmits: true }));
    await connected(again);
    await left(again);
    await book.revoke("n1");
    rmSync(join(directory, "n1"), { recursive: true });
    const revoked = await use(later, await tokenOf({ readmits: true }));
    await vi.waitFor(() => expect(revoked.client.state.error?.code).toBe("CONTROL_TOKEN_REFUSED"));
  });

  test("an authority that is lost is not replaced silently, and servers of before go on until it is", async () => {
    const server = await fabric.server({ trust: book });
    const agent = await agentOf(server, "n1", await tokenOf());
    await connected(agent);
    await fabric.store.txn({ success: [{ op: "delete", key: authorityKey }] });
    const other = new TrustBook({ store: fabric.store, clock: systemClock });
    await expect(other.authorities.now()).rejects.toEqual(code("CONTROL_AUTHORITY_LOST", /heddle ca reset/));
    const later = await fabric.server({ trust: other });
    expect(later.events).toContainEqual(expect.objectContaining({ kind: "certifyFailed" }));
    expect(agent.client.state.connected).toBe(true);
    await other.authorities.reset();
    await agent.client.close();
    agent.trust.close();
    await connected(await agentOf(later, "n1", (await other.createToken({})).text));
  });

  test("a damaged record is lost, too", async () => {
    const store = fabric.store;
    await store.txn({
      success: [{ op: "put", key: authorityKey, value: Buffer.from('{"certificate":"x"}') }],
    });
    await expect(book.authorities.state()).rejects.toEqual(code("CONTROL_AUTHORITY_LOST", /cannot be read/));
    await book.authorities.reset();
    await expect(book.createToken({})).resolves.toBeDefined();
  });
});

/** Two authorities, for what judges by their fingerprints alone. */
const pems = (await Promise.all(
  [1, 2].map(async () => {
    const store = new MemoryStore();
    return believedOf(await new TrustBook({ store, clock: systemClock }).authorities.state())[0] ?? "";
  }),
)) as unknown as readonly [string, string];

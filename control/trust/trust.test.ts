import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { parseIp } from "../../addr/index.ts";
import { ManualClock, systemClock } from "../../clock/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { type TestAgent, TestFabric, type TestServer } from "../../test/control/fabric.ts";
import { Authority, createAuthority, createKeyPair } from "./authority.ts";
import {
  AgentTrust,
  namesOfNode,
  parseIdentity,
  parseToken,
  printIdentity,
  ServingCertificateKeeper,
  TrustBook,
} from "./index.ts";

const nodeId = "00000000-0000-4000-8000-000000000001";
const code = (expected: string) => expect.objectContaining({ code: expected });

describe("an identity", () => {
  test("prints and parses, whatever the name holds", () => {
    for (const name of ["n1", "a.b-c", "n/1?x#y", "ü"]) {
      const node = { kind: "node", fabric: "f-1", name, generation: 3 } as const;
      const server = { kind: "server", fabric: "f-1", name } as const;
      for (const identity of [node, server]) expect(parseIdentity(printIdentity(identity))).toEqual(identity);
    }
  });

  test("is nothing else", () => {
    for (const uri of [
      "",
      "spiffe://f/node/n1",
      "spiffe://f/node/n/1/2",
      "https://f/server/s",
      "spiffe://f/server/%",
    ])
      expect(parseIdentity(uri)).toBeUndefined();
  });
});

describe("join tokens", () => {
  let clock: ManualClock;
  let book: TrustBook;
  let request: string;
  beforeEach(async () => {
    clock = new ManualClock(Date.now());
    book = new TrustBook({ store: new MemoryStore({ clock }), clock });
    ({ request } = await createKeyPair());
  });

  async function enroll(text: string, node = "n1") {
    const { id, secret } = parseToken(text);
    return book.enroll({ tokenId: id, secret, node, request });
  }

  test("let in as often as they say, and no longer than they last", async () => {
    const { text } = await book.createToken({ uses: 2, ttlMs: 1000 });
    const [a, b, c] = await Promise.allSettled([enroll(text), enroll(text, "n2"), enroll(text, "n3")]);
    expect([a, b, c].filter(({ status }) => status === "fulfilled")).toHaveLength(2);
    const other = await book.createToken({ ttlMs: 1000 });
    clock.jumpWall(1000);
    await expect(enroll(other.text)).rejects.toEqual(code("CONTROL_TOKEN_REFUSED"));
    expect(await book.tokens.list()).toEqual([]);
  });

  test("keep no secret in the store, and refuse a wrong one", async () => {
    const { text, record } = await book.createToken({});
    const token = parseToken(text);
    expect(JSON.stringify(record)).not.toContain(token.secret);
    const wrong = { tokenId: token.id, secret: `${token.secret.slice(0, -2)}AA`, node: "n1", request };
    await expect(book.enroll(wrong)).rejects.toEqual(code("CONTROL_TOKEN_REFUSED"));
    await expect(enroll(text)).resolves.toBeDefined();
  });

  test("can be taken back, and are for one node if they say so", async () => {
    const gone = await book.createToken({});
    expect(await book.tokens.remove(gone.record.id)).toBe(true);
    await expect(enroll(gone.text)).rejects.toEqual(code("CONTROL_TOKEN_REFUSED"));
    const { text } = await book.createToken({ node: "n7" });
    await expect(enroll(text)).rejects.toThrow(/is for node "n7"/);
    await expect(enroll(text, "n7")).resolves.toBeDefined();
  });

  test("that nobody made are refused when read, without being repeated", () => {
    for (const text of ["", "heddle1.a.b.c", "hunter2"]) {
      expect(() => parseToken(text)).toThrow(code("CONTROL_TOKEN_INVALID"));
      if (text !== "") expect(() => parseToken(text)).not.toThrow(text);
    }
  });

  test("bring a request that its sender has the key of", async () => {
    const { text } = await book.createToken({ uses: 3 });
    const { id, secret } = parseToken(text);
    const lines = request.split("\n");
    lines[3] = [...(lines[3] ?? "")].reverse().join("");
    for (const damaged of ["", lines.join("\n")])
      await expect(book.enroll({ tokenId: id, secret, node: "n1", request: damaged })).rejects.toEqual(
        code("CONTROL_REQUEST_INVALID"),
      );
  });
});

describe("over the wire", () => {
  let fabric: TestFabric;
  let directory: string;
  let book: TrustBook;
  let trusts: AgentTrust[];
  beforeEach(() => {
    fabric = new TestFabric();
    directory = mkdtempSync(join(tmpdir(), "heddle-trust-"));
    book = new TrustBook({ store: fabric.store, clock: systemClock });
    trusts = [];
  });
  afterEach(async () => {
    for (const trust of trusts) trust.close();
    await fabric.close();
    rmSync(directory, { recursive: true });
  });

  interface Join {
    readonly token?: string;
    readonly node?: string;
    readonly as?: string;
  }

  async function agentOf(server: TestServer, { token, node = "n1", as = node }: Join): Promise<TestAgent> {
    const trust = await AgentTrust.open({
      node,
      directory: join(directory, node),
      servers: [server.address],
      clock: systemClock,
      ...(token !== undefined && { token }),
    });
    trusts.push(trust);
    return fabric.agent([server.address], { trust, node: fabric.identity(as, nodeId) });
  }

  const connected = ({ client }: TestAgent) => vi.waitFor(() => expect(client.state.connected).toBe(true));
  const refusedBy = ({ client }: TestAgent, expected: string) =>
    vi.waitFor(() => expect(client.state.error?.code).toBe(expected));

  test("a token lets a node in once; later its certificate does, also at another server", async () => {
    const server = await fabric.server({ trust: book });
    const { text } = await book.createToken({});
    const first = await agentOf(server, { token: text });
    await connected(first);
    expect(statSync(join(directory, "n1", "identity.json")).mode & 0o777).toBe(0o600);
    await first.client.close();
    const other = await fabric.server({ trust: new TrustBook({ store: fabric.store, clock: systemClock }) });
    const second = await agentOf(other, {});
    await connected(second);
    expect(await book.tokens.list()).toEqual([]);
  });

  test("without token or certificate, or in plain text, nobody gets in", async () => {
    const server = await fabric.server({ trust: book });
    await refusedBy(await agentOf(server, {}), "CONTROL_NO_IDENTITY");
    await refusedBy(fabric.agent([server.address]), "CONTROL_UNAVAILABLE");
    expect(server.registry.nodes()).toEqual([]);
  });

  test("a node speaks for itself only", async () => {
    const server = await fabric.server({ trust: book });
    const { text } = await book.createToken({});
    await refusedBy(await agentOf(server, { token: text, as: "n2" }), "CONTROL_IDENTITY_REFUSED");
    expect(server.registry.nodes()).toEqual([]);
  });

  test("a name that is in the catalog needs a token of its own", async () => {
    const server = await fabric.server({ trust: book });
    const { text } = await book.createToken({ uses: 2 });
    const first = await agentOf(server, { token: text });
    await connected(first);
    await first.client.close();
    rmSync(join(directory, "n1"), { recursive: true });
    await refusedBy(await agentOf(server, { token: text }), "CONTROL_TOKEN_REFUSED");
    const named = await book.createToken({ node: "n1" });
    await connected(await agentOf(server, { token: named.text }));
  });

  test("a revoked node is out at once, and stays out until it is let in again", async () => {
    const server = await fabric.server({ trust: book });
    const { text } = await book.createToken({});
    const agent = await agentOf(server, { token: text });
    await connected(agent);
    await book.revoke("n1");
    await vi.waitFor(() => expect(agent.client.state.connected).toBe(false));
    await vi.waitFor(() =>
      expect(server.events).toContainEqual(
        expect.objectContaining({ kind: "peerRefused", why: "node n1 was revoked" }),
      ),
    );
    expect(agent.client.state.connected).toBe(false);
    await agent.client.close();
    const later = await fabric.server({ trust: book });
    const again = await agentOf(later, {});
    await vi.waitFor(() => expect(later.events.some(({ kind }) => kind === "peerRefused")).toBe(true));
    expect(again.client.state.connected).toBe(false);
    await again.client.close();
    rmSync(join(directory, "n1"), { recursive: true });
    const named = await book.createToken({ node: "n1" });
    await connected(await agentOf(later, { token: named.text }));
  });

  test("a server of another fabric is not believed: its authority is not the token's", async () => {
    const store = new MemoryStore({ clock: systemClock });
    const server = await fabric.server({ trust: new TrustBook({ store, clock: systemClock }) });
    const { text } = await book.createToken({});
    await refusedBy(await agentOf(server, { token: text }), "CONTROL_IDENTITY_REFUSED");
    expect(await book.tokens.list()).toHaveLength(1);
  });

  test("a certificate of another authority, of a server, or one that has ended is turned away", async () => {
    const server = await fabric.server({ trust: book });
    const { authority: own } = await book.authorities.now();
    const foreign = new Authority(await createAuthority(own.fabric, Date.now()));
    const node = { kind: "node", fabric: own.fabric, name: "n1", generation: 0 } as const;
    const dayMs = 24 * 3600_000;
    const { key, request } = await createKeyPair();
    const chains = [
      foreign.issue(request, node, dayMs, Date.now()),
      own.issue(request, { kind: "server", fabric: own.fabric, name: "n1" }, dayMs, Date.now()),
      own.issue(request, node, dayMs, Date.now() - 2 * dayMs),
      own.issue(request, { ...node, fabric: "other" }, dayMs, Date.now()),
    ];
    const port = Number(server.address.split(":").at(-1));
    for (const cert of chains) {
      const socket = connect({
        host: "127.0.0.1",
        port,
        key,
        cert,
        ALPNProtocols: ["h2"],
        rejectUnauthorized: false,
      });
      socket.on("error", () => undefined);
      await new Promise((resolve) => socket.once("close", resolve));
    }
    expect(server.events.filter(({ kind }) => kind === "peerRefused")).toHaveLength(chains.length);
  });

  test("a certificate for HTTPS names the node and its own addresses, and opens nothing", async () => {
    const server = await fabric.server({ trust: book });
    const { text } = await book.createToken({ uses: 2 });
    const options = { node: "n1", servers: [server.address], clock: systemClock, directory, token: text };
    const trust = await AgentTrust.open(options);
    trusts.push(trust);
    const { request, key } = await createKeyPair();
    await expect(trust.issueServing(request)).rejects.toEqual(code("CONTROL_NO_IDENTITY"));
    const agent = fabric.agent([server.address], { trust, node: fabric.identity("n1", nodeId) });
    await connected(agent);
    const { chain } = await trust.issueServing(request);
    const shown = new X509Certificate(chain);
    for (const name of ["n1", "n1.node.consul", "n1.node.dc1.consul", "localhost"])
      expect(shown.checkHost(name), name).toBe(name);
    for (const ip of ["127.0.0.1", "::1", "192.0.2.7"]) expect(shown.checkIP(ip), ip).toBe(ip);
    expect(shown.checkHost("server.dc1.consul")).toBeUndefined();

    const other = await agentOf(server, { token: text, node: "n2" });
    await connected(other);
    const later = new X509Certificate((await trust.issueServing(request)).chain);
    expect(later.checkIP("192.0.2.7")).toBeUndefined();

    const socket = connect({
      port: Number(server.address.split(":").at(-1)),
      ...{ host: "127.0.0.1", key, cert: chain, ALPNProtocols: ["h2"], rejectUnauthorized: false },
    });
    socket.on("error", () => undefined);
    await new Promise((resolve) => socket.once("close", resolve));
    expect(server.events).toContainEqual(expect.objectContaining({ kind: "peerRefused" }));
  });

  test("a keeper of HTTPS keeps what it has, asks again when told, and tries again when refused", async () => {
    const failures: unknown[] = [];
    let refusals = 1;
    const open = (mustName: readonly string[]) =>
      ServingCertificateKeeper.open({
        directory,
        mustName,
        clock: systemClock,
        onFailure: (error) => failures.push(error),
        issue: async (request) => {
          if (refusals-- > 0) throw new Error("not now");
          return book.issueServing(namesOfNode("n1", "dc1", [parseIp("192.0.2.7")]), request);
        },
      });
    const keeper = await open([]);
    onTestFinished(() => keeper.close());
    expect(keeper.current).toBeUndefined();
    await vi.waitFor(() => expect(keeper.current).toBeDefined());
    expect(failures).toHaveLength(1);
    refusals = 1;
    const again = await open(["192.0.2.7"]);
    onTestFinished(() => again.close());
    expect(again.current).toEqual(keeper.current);
    await again.renew();
    expect([failures.length, again.current]).toEqual([2, keeper.current]);
    await again.renew();
    expect(again.current).not.toEqual(keeper.current);
    const moved = await open(["192.0.2.8"]);
    onTestFinished(() => moved.close());
    await vi.waitFor(() => expect(moved.current).not.toEqual(again.current));
  });

  test("a certificate for HTTPS outlives a revocation by a day at most, and 17 hours without a server", async () => {
    const clock = new ManualClock(Date.now());
    const hourMs = 3600_000;
    const issued: string[] = [];
    const keeper = await ServingCertificateKeeper.open({
      mustName: [],
      clock,
      onFailure: () => undefined,
      issue: async (request) => {
        const names = namesOfNode("n1", "dc1", []);
        const made = await new TrustBook({ store: fabric.store, clock }).issueServing(names, request);
        issued.push(made.chain);
        return made;
      },
    });
    onTestFinished(() => keeper.close());
    const renewed = (count: number) =>
      vi.waitFor(() => expect(issued).toHaveLength(count), { timeout: 5000 });
    await renewed(1);
    const endMs = Date.parse(new X509Certificate(issued[0] ?? "").validTo);
    expect((endMs - clock.wallMs()) / hourMs).toBeCloseTo(24, 1);
    await clock.advance(7 * hourMs);
    await renewed(2);
    expect((endMs - clock.wallMs()) / hourMs).toBeGreaterThan(16.9);
  });

  test("certificates are renewed before they end, and the node stays in", async () => {
    const short = new TrustBook({
      store: fabric.store,
      clock: systemClock,
      limits: { nodeCertificateMs: 2000 },
    });
    const server = await fabric.server({ trust: short });
    const { text } = await book.createToken({});
    const events: string[] = [];
    // Valid from five minutes before it was issued: two thirds of its life are over at once.
    const trust = await AgentTrust.open({
      node: "n1",
      directory: join(directory, "n1"),
      servers: [server.address],
      clock: systemClock,
      token: text,
      log: (event) => events.push(event.kind === "certified" ? event.how : event.kind),
    });
    trusts.push(trust);
    const agent = fabric.agent([server.address], { trust, node: fabric.identity("n1", nodeId) });
    await connected(agent);
    await vi.waitFor(() => expect(events.slice(0, 2)).toEqual(["enrolled", "renewed"]));
  });
});

/** Two servers over one etcd: what one takes the other knows, agents move to the one that is left, and one works for both. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Background, run, waitFor } from "../lab/command.ts";
import { EtcdCluster } from "../lab/etcd-cluster.ts";
import { heddleCommand } from "../lab/heddle.ts";
import { requireWorld } from "../world.ts";

interface Server {
  readonly grpc: string;
  readonly http: string;
  readonly process: Background;
}

const underlay = "10.99.0.1";
const agentHttp = "http://127.0.0.1:8500";
let directory = "";
let etcd: EtcdCluster;
let [first, second]: [Server, Server] = [] as never;
let agent: Background;

function heddle(name: string, ...args: readonly string[]): Background {
  const home = join(directory, name);
  const places = ["--run-dir", join(home, "run"), "--data-dir", join(home, "data")];
  return new Background(heddleCommand(...args, ...places));
}

async function ready(starting: Background): Promise<Background> {
  const said = () => starting.stdout.includes("is ready") || !starting.running || undefined;
  await waitFor(`"${starting.command}" to be ready`, said);
  if (!starting.running) throw new Error(starting.stderr);
  return starting;
}

async function startServer(name: string, port: number): Promise<Server> {
  const grpc = `127.0.0.1:${port}`;
  const http = `127.0.0.1:${port + 1}`;
  const store = `etcd:${etcd.urls}`;
  const starting = heddle(name, "server", "--store", store, "--grpc", grpc, "--http", http);
  return { grpc, http: `http://${http}`, process: await ready(starting) };
}

/** Made at one server, good at every one. */
function joinToken(server: string): string {
  const made = run(heddleCommand("token", "create", "--json", "--run-dir", join(directory, server, "run")));
  return (JSON.parse(made) as { token: string }).token;
}

async function put(url: string, body: unknown): Promise<void> {
  const answer = await fetch(url, { method: "PUT", body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
}

async function passing(server: Server, service: string): Promise<number> {
  const answer = await fetch(`${server.http}/v1/health/service/${service}?passing&consistent`);
  return answer.ok ? ((await answer.json()) as unknown[]).length : 0;
}

async function storeStatus(server: Server): Promise<{ state: string; details: { reclaims: boolean } }> {
  const { components } = (await (await fetch(`${server.http}/v1/heddle/status`)).json()) as {
    components: { name: string; state: string; details: { reclaims: boolean } }[];
  };
  const store = components.find(({ name }) => name === "store");
  if (!store) throw new Error("the status names no store");
  return store;
}

beforeAll(async () => {
  requireWorld();
  directory = mkdtempSync(join(tmpdir(), "heddle-servers-"));
  run(["ip", "link", "add", "under0", "type", "veth", "peer", "name", "under1"]);
  run(["ip", "address", "add", `${underlay}/24`, "dev", "under0"]);
  for (const link of ["under0", "under1"]) run(["ip", "link", "set", link, "up"]);
  etcd = await EtcdCluster.start();
  first = await startServer("s1", 7301);
  second = await startServer("s2", 7401);
  const servers = ["--server", first.grpc, second.grpc, "--join-token", joinToken("s2")];
  agent = await ready(
    heddle("agent", "agent", "--node", "n1", "--advertise", underlay, "--no-docker", ...servers),
  );
});

afterAll(async () => {
  for (const each of [agent, first?.process, second?.process]) await each?.killHard();
  await etcd?.dispose();
  rmSync(directory, { recursive: true, force: true });
});

describe("two servers over one etcd", () => {
  it("answer for what was registered at the other, at once where consistency is asked for", async () => {
    const service = { Node: "far", Address: "192.0.2.7", Service: { Service: "db", Port: 5432 } };
    await put(`${first.http}/v1/catalog/register`, service);
    expect(await passing(second, "db")).toBe(1);
    await fetch(`${second.http}/v1/kv/side`, { method: "PUT", body: "two" });
    const read = await fetch(`${first.http}/v1/kv/side?raw&consistent`);
    expect(await read.text()).toBe("two");
  });

  it("have one of them reclaim and end sessions", async () => {
    const status = async () => [await storeStatus(first), await storeStatus(second)];
    await waitFor("one to be elected", async () =>
      (await status()).some(({ details }) => details.reclaims) ? true : undefined,
    );
    expect((await status()).filter(({ details }) => details.reclaims)).toHaveLength(1);
  });

  it("lose no registration when one dies: the agent moves, what is registered meanwhile arrives", async () => {
    await put(`${agentHttp}/v1/agent/service/register`, { Name: "web", Port: 80 });
    await waitFor("web at the second server", async () => (await passing(second, "web")) === 1 || undefined);
    await first.process.killHard();
    const startMs = performance.now();
    await put(`${agentHttp}/v1/agent/service/register`, { Name: "late", Port: 81 });
    await waitFor("what was registered meanwhile", async () => {
      expect(await passing(second, "web")).toBe(1);
      return (await passing(second, "late")) === 1 || undefined;
    });
    process.stdout.write(`agent moved and registered after ${Math.round(performance.now() - startMs)} ms\n`);
    await waitFor(
      "the second server to do the work of both",
      async () => (await storeStatus(second)).details.reclaims || undefined,
      40_000,
    );
  });

  it("drain on SIGTERM: agents move, long polls are sent home, nothing that was answered is lost", async () => {
    first = await startServer("s1", 7301);
    const index = (await fetch(`${second.http}/v1/kv/parked`)).headers.get("x-consul-index") ?? "1";
    const poll = `/v1/kv/parked?index=${index}&wait=5m`;
    const parked = [fetch(`${second.http}${poll}`), fetch(`${agentHttp}${poll}`)];
    const answered: string[] = [];
    let stop = false;
    const writing = (async () => {
      for (let n = 0; !stop; n++) {
        const key = `drain/${n}`;
        const ok = await fetch(`${agentHttp}/v1/kv/${key}`, { method: "PUT", body: "1" }).then(
          (answer) => answer.ok,
          () => false,
        );
        if (ok) answered.push(key);
        await put(`${agentHttp}/v1/agent/service/register`, { ID: `drain-${n}`, Name: "drain", Port: n + 1 });
      }
    })();
    const written = (count: number) => () => answered.length >= count || undefined;
    await waitFor("writes by way of the second server", written(20));
    second.process.kill("SIGTERM");
    expect(await second.process.ended).toBe(0);
    const home = await Promise.all(parked);
    // At once, for the clients to ask again: the agent speaks of a server that went away, as Consul's does.
    expect(home.map(({ status }) => status)).toEqual([503, 500]);
    await waitFor("writes by way of the first server", written(answered.length + 20));
    stop = true;
    await writing;
    // Its node was alive all the time: it moved before its lease was over.
    expect(await passing(first, "web")).toBe(1);
    const there = (await (await fetch(`${first.http}/v1/kv/drain/?keys&consistent`)).json()) as string[];
    expect(answered.filter((key) => !there.includes(key))).toEqual([]);
    const registered = (await (await fetch(`${agentHttp}/v1/agent/services`)).json()) as Record<
      string,
      unknown
    >;
    const drained = Object.keys(registered).filter((id) => id.startsWith("drain-"));
    await waitFor(
      "all registrations at the first server",
      async () => (await passing(first, "drain")) === drained.length || undefined,
    );
    second = await startServer("s2", 7401);
  });

  it("are left when they hang: a frozen server closes nothing, the agent goes to the other one", async () => {
    await waitFor("web at the second server", async () => (await passing(second, "web")) === 1 || undefined);
    first.process.kill("SIGSTOP");
    const startMs = performance.now();
    try {
      await put(`${agentHttp}/v1/agent/service/register`, { Name: "thawless", Port: 82 });
      await waitFor("what was registered meanwhile", async () => {
        // Its node is alive all the time.
        expect(await passing(second, "web")).toBe(1);
        return (await passing(second, "thawless")) === 1 || undefined;
      });
    } finally {
      first.process.kill("SIGCONT");
    }
    process.stdout.write(
      `agent left the frozen server and registered after ${Math.round(performance.now() - startMs)} ms\n`,
    );
  });

  it("say that they are behind when etcd is away, and refuse consistent reads", async () => {
    for (const index of [0, 1, 2]) await etcd.kill(index);
    const url = `${second.http}/v1/health/service/web?passing`;
    const old = await waitFor("the server to notice", async () => {
      const answer = await fetch(url);
      return answer.headers.get("x-consul-knownleader") === "false" ? answer : undefined;
    });
    expect(Number(old.headers.get("x-consul-lastcontact"))).toBeGreaterThan(0);
    expect((await storeStatus(second)).state).toBe("degraded");
    expect((await fetch(`${url}&consistent`)).status).toBe(500);
    const refused = await fetch(`${second.http}/v1/kv/side`, { method: "PUT", body: "three" });
    expect(refused.status).toBe(500);
    for (const index of [0, 1, 2]) etcd.startMember(index);
    await waitFor("the server to answer again", async () => (await passing(second, "db")) === 1 || undefined);
    await waitFor(
      "the node to be alive again",
      async () => (await passing(second, "web")) === 1 || undefined,
    );
  });
});

describe("heddle server over a store that it cannot use", () => {
  it("ends with what is wrong", async () => {
    etcd.ctl(["put", "strange/key", "somebody's"]);
    etcd.ctl(["put", "broken/store", "{"]);
    const cases = [
      [`etcd:${etcd.urls}`, "strange/", "STORE_CORRUPT", 1],
      [`etcd:${etcd.urls}`, "broken/", "STORE_CORRUPT", 1],
      ["etcd:http://127.0.0.1:1", "heddle/", "STORE_UNAVAILABLE", 1],
      ["consul:http://127.0.0.1:1", "heddle/", "STORE_UNAVAILABLE", 1],
      ["etcd:nowhere", "heddle/", "STORE_UNKNOWN_ENGINE", 2],
    ] as const;
    const ended = cases.map(async ([store, prefix, code, status], at) => {
      const where = ["--store", store, "--store-prefix", prefix, "--http", `127.0.0.1:${7501 + at}`];
      const starting = heddle(`bad${at}`, "server", ...where);
      expect([store, await starting.ended]).toEqual([store, status]);
      expect(starting.stderr).toContain(code);
    });
    await Promise.all(ended);
  });
});

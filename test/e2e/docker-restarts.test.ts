/**
 * Engine, agent and server are killed at each step of a container's life. Whatever Docker makes of the container:
 * no address is held twice at any moment, the next container comes up, and when all are removed nothing is left.
 * Each kill comes right after the agent answered the call that names the step, so that Docker's next call meets it.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../lab/command.ts";
import { DockerFabric } from "../lab/docker-fabric.ts";
import { image } from "../lab/engine.ts";

const lab = new DockerFabric(2);
const [h1, h2] = [lab.host(0), lab.host(1)];
let count = 0;

beforeAll(async () => {
  await lab.start();
  lab.createNetwork(
    "demo",
    "--ipv6",
    "--subnet",
    "10.90.0.0/16",
    "--subnet",
    "fd90::/64",
    "-o",
    "heddle.network=demo",
  );
}, 90_000);

afterAll(() => lab.dispose(), 60_000);

const victims = {
  engine: {
    kill: () => lab.engine(h1).killHard(),
    start: () => lab.engine(h1).start(),
  },
  agent: {
    kill: () => lab.fabric.agent(h1).killHard(),
    start: async () => void (await lab.startAgent(h1)),
  },
  server: {
    kill: () => lab.fabric.server.killHard(),
    start: async () => void (await lab.fabric.startServer()),
  },
} as const;

const steps = {
  "an address is requested": "IpamDriver.RequestAddress",
  "the endpoint is created": "NetworkDriver.CreateEndpoint",
  "the container joins": "NetworkDriver.Join",
  "the container leaves": "NetworkDriver.Leave",
  "the endpoint is deleted": "NetworkDriver.DeleteEndpoint",
} as const;

/** Addresses of all containers that run, on both engines. */
function addresses(): string[] {
  return lab.hosts.flatMap((host) => {
    const ids = lab.docker(host, "ps", "-q").split("\n").filter(Boolean);
    return ids.flatMap((id) => {
      const { ipv4, ipv6 } = lab.inspect(host, "demo", id);
      return [ipv4, ipv6].filter(Boolean);
    });
  });
}

function calls(method: string): number {
  return lab.fabric.agent(h1).stderr.split(`"method":"${method}"`).length - 1;
}

/** Docker's commands run beside the killing, and may well fail. */
function inBackground(...args: readonly string[]): Promise<unknown> {
  return h1.runAsync(["docker", "-H", `unix://${lab.engine(h1).socketPath}`, ...args], { timeoutMs: 60_000 });
}

async function nothingTwice(): Promise<void> {
  const all = addresses();
  expect(new Set(all).size).toBe(all.length);
}

async function allGone(): Promise<void> {
  for (const host of lab.hosts) lab.removeContainers(host);
  for (const host of lab.hosts) await lab.nothingLeft(host);
}

describe.each(Object.entries(victims))("a killed %s", (_, { kill, start }) => {
  test.each(Object.entries(steps))(
    "when %s: nothing leaks and no address is held twice",
    async (_, method) => {
      const name = `c${count++}`;
      const neighbour = lab.run(h2, "demo", `n${name}`);
      const isLeaving = method.endsWith("Leave") || method.endsWith("DeleteEndpoint");
      if (isLeaving) lab.run(h1, "demo", name);
      const before = calls(method);
      const command = isLeaving
        ? inBackground("rm", "-f", name)
        : inBackground("run", "-d", "--network", "demo", "--name", name, image, "/bin/sleep", "100000");
      await waitFor(method, () => calls(method) > before || undefined);
      await kill();
      await start();
      await command;
      await nothingTwice();
      const next = lab.run(h1, "demo", `x${name}`);
      await nothingTwice();
      expect(lab.pings(next, neighbour.ipv4)).toBe(true);
      await allGone();
    },
    120_000,
  );

  test("while a container runs: it keeps its address, or gets another when it is started again", async () => {
    const name = `c${count++}`;
    const neighbour = lab.run(h2, "demo", `n${name}`);
    const one = lab.run(h1, "demo", name);
    await kill();
    await start();
    await nothingTwice();
    const isRunning = lab.docker(h1, "inspect", "-f", "{{.State.Running}}", name) === "true";
    if (isRunning) expect(lab.pings(one, neighbour.ipv4)).toBe(true);
    lab.docker(h1, "restart", "-t", "0", name);
    await nothingTwice();
    expect(lab.pings(lab.inspect(h1, "demo", name), neighbour.ipv6)).toBe(true);
    await allGone();
  }, 120_000);

  test("between two starts with --ip: the container has its address again", async () => {
    const ip = `10.90.210.${count}`;
    const name = `c${count++}`;
    lab.run(h1, "demo", name, "--ip", ip);
    await kill();
    lab.engine(h1).tryDocker("stop", "-t", "0", name);
    await start();
    await waitFor(
      "the container to start",
      () => lab.engine(h1).tryDocker("start", name).status === 0 || undefined,
      30_000,
    );
    expect(lab.inspect(h1, "demo", name).ipv4).toBe(ip);
    await nothingTwice();
    await allGone();
  }, 120_000);
});

describe("without a server", () => {
  test("containers start and stop; what needs the server is refused in time", async () => {
    lab.run(h1, "demo", "warm");
    lab.fabric.server.kill("SIGSTOP");
    const one = lab.run(h1, "demo", "c1");
    const startMs = performance.now();
    const { status, stderr } = lab
      .engine(h1)
      .tryDocker(
        "network",
        "create",
        "-d",
        "heddle",
        "--ipam-driver",
        "heddle",
        "--subnet",
        "10.95.0.0/16",
        "later",
      );
    expect(status).toBe(1);
    expect(stderr).toMatch(/IPAM_UNAVAILABLE|ENDPOINT_DEADLINE|CONTROL_/);
    expect(performance.now() - startMs).toBeLessThan(2500);
    expect(lab.pings(one, lab.inspect(h1, "demo", "warm").ipv4)).toBe(true);
    lab.docker(h1, "rm", "-f", "c1", "warm");
    lab.fabric.server.kill("SIGCONT");
    await allGone();
  }, 60_000);
});

/**
 * Something of a Docker fabric ends at each step of a container's life. Whatever Docker makes of the container: no
 * address is held twice at any moment, the next container comes up, and when all are removed nothing is left. Each
 * end comes right after the agent answered the call that names the step, so that Docker's next call meets it.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "./command.ts";
import type { DockerFabric, Running } from "./docker-fabric.ts";
import { image } from "./engine.ts";
import type { Host } from "./host.ts";

export interface Victim {
  readonly kill: () => Promise<void>;
  readonly start: () => Promise<void>;
}

const steps = {
  "an address is requested": "IpamDriver.RequestAddress",
  "the endpoint is created": "NetworkDriver.CreateEndpoint",
  "the container joins": "NetworkDriver.Join",
  "the container leaves": "NetworkDriver.Leave",
  "the endpoint is deleted": "NetworkDriver.DeleteEndpoint",
} as const;

/** Their processes ignore SIGTERM, as a first one without a handler does, and Docker would give each 10 s to end. */
const brief = ["--stop-timeout", "1"];
const forever = [image, "/bin/sleep", "100000"];

/** Of `docker network create`. */
const network = ["--ipv6", "--subnet", "10.90.0.0/16", "--subnet", "fd90::/64", "-o", "heddle.network=demo"];

/** Starts the fabric, and tests with containers that come and go on its first host. */
export function restartMatrix(lab: DockerFabric, victims: Readonly<Record<string, Victim>>): void {
  const [h1, h2] = [lab.host(0), lab.host(1)];
  let count = 0;

  beforeAll(async () => {
    await lab.start();
    lab.createNetwork("demo", ...network);
  });

  afterAll(() => lab.dispose(), 60_000);

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

  const run = (host: Host, name: string, ...options: readonly string[]) =>
    lab.run(host, "demo", name, ...brief, ...options);

  /** Docker's commands run beside the killing, and may well fail. */
  function inBackground(...args: readonly string[]): Promise<unknown> {
    return h1.runAsync(["docker", "-H", `unix://${lab.engine(h1).socketPath}`, ...args], {
      timeoutMs: 60_000,
    });
  }

  async function nothingTwice(): Promise<void> {
    const all = addresses();
    expect(new Set(all).size).toBe(all.length);
  }

  /** The container, started again if its engine took it down. */
  function standing(host: Host, name: string): Running {
    if (lab.docker(host, "inspect", "-f", "{{.State.Running}}", name) !== "true")
      lab.docker(host, "start", name);
    return lab.inspect(host, "demo", name);
  }

  describe.each(Object.entries(victims))("a %s", (_, { kill, start }) => {
    test.each(Object.entries(steps))(
      "when %s: nothing leaks and no address is held twice",
      async (_, method) => {
        const name = `c${count++}`;
        run(h2, `n${name}`);
        const isLeaving = method.endsWith("Leave") || method.endsWith("DeleteEndpoint");
        if (isLeaving) run(h1, name);
        const before = calls(method);
        const command = isLeaving
          ? inBackground("rm", "-f", name)
          : inBackground(...["run", "-d", "--network", "demo", "--name", name, ...brief], ...forever);
        await waitFor(method, () => calls(method) > before || undefined);
        await kill();
        await start();
        await command;
        await nothingTwice();
        const next = run(h1, `x${name}`);
        await nothingTwice();
        expect(lab.pings(next, standing(h2, `n${name}`).ipv4)).toBe(true);
        await lab.clear();
      },
      120_000,
    );

    test("while a container runs: it keeps its address, or gets another when it is started again", async () => {
      const name = `c${count++}`;
      run(h2, `n${name}`);
      const one = run(h1, name);
      await kill();
      await start();
      await nothingTwice();
      const neighbour = standing(h2, `n${name}`);
      const isRunning = lab.docker(h1, "inspect", "-f", "{{.State.Running}}", name) === "true";
      if (isRunning) expect(lab.pings(one, neighbour.ipv4)).toBe(true);
      lab.docker(h1, "restart", "-t", "0", name);
      await nothingTwice();
      expect(lab.pings(lab.inspect(h1, "demo", name), neighbour.ipv6)).toBe(true);
      await lab.clear();
    });

    test("between two starts with --ip: the container has its address again", async () => {
      const ip = `10.90.210.${count}`;
      const name = `c${count++}`;
      run(h1, name, "--ip", ip);
      await kill();
      // Docker repeats what an agent that is away does not answer: it is there again in time.
      const stopped = inBackground("stop", "-t", "0", name);
      await start();
      await stopped;
      await waitFor(
        "the container to start",
        () => lab.engine(h1).tryDocker("start", name).status === 0 || undefined,
      );
      expect(lab.inspect(h1, "demo", name).ipv4).toBe(ip);
      await nothingTwice();
      await lab.clear();
    });
  });
}

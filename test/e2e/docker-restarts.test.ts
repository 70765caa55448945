/**
 * Agent and server end at each step of a container's life on their host; what is left of calls that Docker gave up; and
 * what goes on without a server.
 */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { waitFor } from "../lab/command.ts";
import { DockerFabric } from "../lab/docker-fabric.ts";
import { refusePlugin } from "../lab/refusing-plugin.ts";
import { restartMatrix } from "../lab/restart-matrix.ts";

const lab = new DockerFabric(2);
const [h1, h2] = [lab.host(0), lab.host(1)];

restartMatrix(lab, {
  "killed agent": {
    kill: () => lab.fabric.agent(h1).killHard(),
    start: async () => void (await lab.startAgent(h1)),
  },
  "killed server": {
    kill: () => lab.fabric.server.killHard(),
    start: async () => void (await lab.fabric.startServer()),
  },
});

describe("containers whose end Docker told nobody", () => {
  test("have their address again when they start, or leave nothing", async () => {
    const ip = "10.90.211.1";
    lab.run(h1, "demo", "again", "--ip", ip);
    const gone = lab.run(h1, "demo", "gone");
    await lab.fabric.agent(h1).killHard();
    const plugin = await refusePlugin(join(lab.engine(h1).pluginDir, "heddle.sock"));
    for (const command of [
      ["stop", "-t", "0", "again"],
      ["rm", "-f", "gone"],
    ])
      await h1.runAsync(["docker", "-H", `unix://${lab.engine(h1).socketPath}`, ...command]);
    await plugin.close();
    const ends = ["NetworkDriver.Leave", "NetworkDriver.DeleteEndpoint", "IpamDriver.ReleaseAddress"];
    expect(plugin.refused).toEqual(expect.arrayContaining(ends));
    await lab.startAgent(h1);
    await waitFor(
      "the address to be free again",
      () => lab.engine(h1).tryDocker("start", "again").status === 0 || undefined,
    );
    expect(lab.inspect(h1, "demo", "again").ipv4).toBe(ip);
    await waitFor(
      "what the engine forgot to go",
      () => !lab.left(h1).some((line) => line.endsWith(` ${gone.ipv4}`)) || undefined,
    );
    const two = lab.run(h2, "demo", "two");
    expect(lab.pings(two, ip)).toBe(true);
    await lab.clear();
  });
});

describe("without a server", () => {
  test("containers start and stop; what needs the server is refused in time", async () => {
    lab.run(h1, "demo", "warm");
    lab.docker(
      h1,
      ...["network", "create", "-d", "heddle", "--ipam-driver", "heddle"],
      ...["--subnet", "10.93.0.0/16", "--ip-range", "10.93.7.0/24", "ranged"],
    );
    lab.run(h1, "ranged", "warm2");
    lab.fabric.server.kill("SIGSTOP");
    const one = lab.run(h1, "demo", "c1");
    expect(lab.run(h1, "ranged", "c2").ipv4).toMatch(/^10\.93\.7\.\d+$/);
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
    lab.docker(h1, "rm", "-f", "c1", "c2", "warm", "warm2");
    lab.fabric.server.kill("SIGCONT");
    lab.docker(h1, "network", "rm", "ranged");
    await lab.clear();
  });
});

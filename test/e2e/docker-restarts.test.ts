/** Engine, agent and server end at each step of a container's life on their host; and what goes on without a server. */
import { describe, expect, test } from "vitest";
import { DockerFabric } from "../lab/docker-fabric.ts";
import { restartMatrix } from "../lab/restart-matrix.ts";

const lab = new DockerFabric(2, ["--shutdown-timeout=1"]);
const h1 = lab.host(0);

restartMatrix(lab, {
  "stopped engine": {
    kill: () => lab.engine(h1).stop(),
    start: () => lab.engine(h1).start(),
  },
  "killed engine": {
    kill: () => lab.engine(h1).killHard(),
    start: () => lab.engine(h1).start(),
  },
  "killed agent": {
    kill: () => lab.fabric.agent(h1).killHard(),
    start: async () => void (await lab.startAgent(h1)),
  },
  "killed server": {
    kill: () => lab.fabric.server.killHard(),
    start: async () => void (await lab.fabric.startServer()),
  },
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
  }, 60_000);
});

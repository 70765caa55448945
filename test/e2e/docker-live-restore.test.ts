/**
 * Engines with live restore: containers outlive their engine, and the engine asks nothing when it is back. Agent
 * and packet filter must not have taken it for gone meanwhile.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { waitFor } from "../lab/command.ts";
import { DockerFabric } from "../lab/docker-fabric.ts";
import type { Engine } from "../lab/engine.ts";
import { image } from "../lab/engine.ts";

const lab = new DockerFabric(2, ["--live-restore"]);
const [h1, h2] = [lab.host(0), lab.host(1)];
const subnets = ["--ipv6", "--subnet", "10.90.0.0/16", "--subnet", "fd90::/64"];
const answers = "while true; do printf 'HTTP/1.0 200 OK\\r\\n\\r\\nhello' | /bin/busybox nc -l -p 80; done";

beforeAll(async () => {
  await lab.start();
  lab.createNetwork("demo", ...subnets, "-o", "heddle.network=demo");
});

afterAll(() => lab.dispose(), 60_000);

test.each<readonly [string, (engine: Engine) => Promise<void>]>([
  ["stopped", (engine) => engine.stop()],
  ["killed", (engine) => engine.killHard()],
])(
  "containers of an engine that is %s go on, whatever the agent does, and end as others do",
  async (_, end) => {
    const web = ["--name", "web", "--network", "demo", "-p", "8080:80", image, "/bin/sh", "-c", answers];
    lab.docker(h1, "run", "-d", ...web);
    const one = lab.inspect(h1, "demo", "web");
    const two = lab.run(h2, "demo", "c2");
    const goesOn = async () => {
      for (const ip of [one.ipv4, one.ipv6]) expect(lab.pings(two, ip)).toBe(true);
      await waitFor(
        "the published port",
        () => h2.tryRun(["curl", "-s", "-m2", "http://10.77.1.10:8080/"]).stdout === "hello" || undefined,
      );
    };
    await goesOn();
    await end(lab.engine(h1));
    await goesOn();
    await lab.fabric.agent(h1).killHard();
    expect(lab.pings(two, one.ipv4)).toBe(true);
    await lab.startAgent(h1);
    await goesOn();
    await lab.engine(h1).start();
    expect(lab.inspect(h1, "demo", "web")).toEqual(one);
    await goesOn();
    const next = lab.run(h1, "demo", "c3");
    expect([one.ipv4, two.ipv4]).not.toContain(next.ipv4);
    expect(lab.pings(next, one.ipv6)).toBe(true);
    for (const host of lab.hosts) lab.removeContainers(host);
    for (const host of lab.hosts) await lab.nothingLeft(host);
  },
  120_000,
);

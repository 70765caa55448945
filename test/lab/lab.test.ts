import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { tryRun } from "./command.ts";
import { Lab } from "./lab.ts";

describe("lab", () => {
  const lab = new Lab();
  afterAll(() => lab.dispose());
  const h1 = lab.addHost("h1", 1);
  const h2 = lab.addHost("h2", 1);
  const h3 = lab.addHost("h3", 2);

  it("joins hosts of one segment by a switch and of two by a router", () => {
    expect(h1.run(["ip", "route", "get", h2.address])).not.toContain("via");
    expect(h1.run(["ip", "route", "get", h3.address])).toContain("via 10.77.1.1");
    expect(h1.run(["ping", "-c1", "-W2", h2.address])).toContain("1 received");
    expect(h1.run(["ping", "-c1", "-W2", h3.address])).toContain("1 received");
  });

  it("has no way out of the world", () => {
    expect(tryRun(["ip", "route", "show"]).stdout).toBe("");
    expect(h1.tryRun(["ping", "-c1", "-W1", "192.0.2.1"]).status).not.toBe(0);
  });

  it("takes a host off and puts it back", () => {
    lab.cable(h3, false);
    expect(h1.tryRun(["ping", "-c1", "-W1", h3.address]).status).not.toBe(0);
    lab.cable(h3, true);
    expect(h1.run(["ping", "-c3", "-i0.2", "-W2", h3.address])).toContain("received");
  });

  it("leaves nothing of a container behind", async () => {
    const container = h1.addContainer("c1");
    expect(container.run(["ip", "-br", "link"])).toContain("lo");
    await container.dispose();
    expect(tryRun(["ip", "netns"]).stdout).not.toContain(container.id);
  });

  it("does not hold up a program in the background while it waits for another", () => {
    const done = join(lab.directory, "done");
    const wordy = h1.start(["sh", "-c", `seq 10000; touch ${done}; exec sleep 100`]);
    expect(tryRun(["sh", "-c", `until [ -e ${done} ]; do sleep 0.01; done`]).status).toBe(0);
    expect(wordy.stdout).toMatch(/\n10000\n$/);
  });
});

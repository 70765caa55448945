import { expect, test, vi } from "vitest";
import { parseIp, parseMac, parseVni } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import type { ViewHandle } from "../../control/index.ts";
import { MemoryKernel } from "../../kernel/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { Teardown } from "../process/teardown.ts";
import { Dataplane } from "./dataplane.ts";

const reclaimAfterMs = 24 * 3600_000;
const peer = { underlay: ["192.0.2.2"], vtepMac: "02:00:00:00:00:02", vxlanPort: 4789, zone: "a", epoch: 1 };
const fabric: ViewHandle = {
  view: "fabric",
  ready: true,
  items: new Map<string, unknown>([
    ["ipam/blocks/web/10.9.0.0_26", { node: "n2", network: "web", cidr: "10.9.0.0/26" }],
    ["catalog/nodes/n2", { name: "n2", fabric: peer }],
  ]),
  revision: 1,
  ageMs: () => 0,
  told: true,
  whenReady: async () => undefined,
  whenTold: async () => undefined,
  onChange: () => () => undefined,
  close: () => undefined,
  forget: () => undefined,
};

test("a node whose term ran out leaves the fabric, and is back as soon as a server renews it", async () => {
  const clock = new ManualClock();
  const teardown = new Teardown();
  const dataplane = await Dataplane.open(
    {
      kernel: new MemoryKernel(),
      journal: new MemoryStore({ clock }),
      clock,
      self: {
        name: "n1",
        underlay: [parseIp("192.0.2.1")],
        vtepMac: parseMac("02:00:00:00:00:01"),
        vni: parseVni(7272),
        vxlanPort: 4789,
        zone: "a",
      },
      source: { network: () => undefined } as never,
      fabric,
      relinquish: async () => undefined,
      runDir: "/nowhere",
      log: { warn: () => undefined } as never,
    },
    teardown,
  );
  const desired = vi.spyOn(dataplane.reconciler, "setDesired");
  const peers = () => desired.mock.lastCall?.[0].remotes.map(({ name }) => name);
  const term = { epoch: 1, reclaimAfterMs };
  const welcome = {
    server: "s",
    version: "t",
    datacenter: "dc1",
    storeId: "s1",
    revision: 1,
    takenOver: false,
  };
  await dataplane.joined({ ...welcome, ...term, sentAtMs: 0 });
  expect(peers()).toEqual(["n2"]);
  await clock.advance(23 * 3600_000 + 5000);
  expect(peers()).toEqual([]);
  await dataplane.renewed({ ...term, sentAtMs: clock.monotonicMs() });
  expect(peers()).toEqual(["n2"]);
  await teardown.run();
});

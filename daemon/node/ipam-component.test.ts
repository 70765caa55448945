import { expect, test } from "vitest";
import { parseCidr, parseIp } from "../../addr/index.ts";
import { type IpamFacts, ipamComponent } from "./ipam-component.ts";

const pool = parseCidr("10.9.0.0/24");
const [block, other] = [parseCidr("10.9.0.0/26"), parseCidr("10.9.0.64/26")];
const lease = (ip: string) => ({
  network: "web",
  ip: parseIp(ip),
  pool,
  owner: { containerId: "c1", ifname: "eth0" },
  epoch: 4,
  allocatedAtMs: 0,
  isStatic: false,
});

function facts(leases: readonly string[]): IpamFacts {
  return {
    epoch: () => 4,
    fenceStatus: () => ({ kind: "open", epoch: 4, untilMs: 1000 }),
    leases: () => leases.map(lease),
    status: () => [
      { network: "web", pool, blocks: [block], capacity: 64, used: 1, quarantined: 0, free: 63 },
    ],
  };
}

test.each([
  ["all is claimed", ["10.9.0.1"], [block, other], undefined],
  ["nothing is known of the servers", ["10.9.0.1"], undefined, undefined],
  ["the block is another's or nobody's", ["10.9.0.1"], [other], [block]],
  ["an address by name is claimed", ["10.9.0.77"], [block, parseCidr("10.9.0.77/32")], undefined],
  ["an address by name is not", ["10.9.0.77"], [block], ["10.9.0.77"]],
] as const)("when %s", (_what, leases, claimed, unclaimed) => {
  const { state, details } = ipamComponent(facts(leases), claimed);
  expect(state).toBe(unclaimed ? "degraded" : "ok");
  expect((details as { unclaimed?: unknown }).unclaimed).toEqual(unclaimed);
});

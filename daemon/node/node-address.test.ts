import { beforeEach, expect, test } from "vitest";
import { parseCidr, parseIp } from "../../addr/index.ts";
import { ManualClock } from "../../clock/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { AddressLease, NetworkRecord } from "../../ipam/index.ts";
import { NodeAddress, type NodeAddressOptions } from "./node-address.ts";

type Ipam = NodeAddressOptions["ipam"];

let clock: ManualClock;
let networks: NetworkRecord[];
let leases: AddressLease[];
let isFull: boolean;
let changes: number;
let address: NodeAddress;

beforeEach(() => {
  clock = new ManualClock();
  networks = [network("young", 2, ["10.2.0.0/16", "fd02::/64"]), network("old", 1, ["10.1.0.0/16"])];
  leases = [];
  isFull = false;
  changes = 0;
  const ipam = {
    fenceStatus: () => ({ kind: "open", epoch: 1, untilMs: 1 }),
    leasesOf: () => leases,
    allocate: async ({ network: name, families = [] }) => {
      if (isFull) throw new FabricError("IPAM_POOL_EXHAUSTED", "full");
      for (const family of families) leases.push({ network: name, ip: ipOf(name, family) } as AddressLease);
      return leases;
    },
    release: async (name) => {
      const gone = leases.filter((lease) => lease.network === name);
      leases = leases.filter((lease) => lease.network !== name);
      return gone;
    },
  } as Ipam;
  const log = { warn: () => undefined } as unknown as NodeAddressOptions["log"];
  address = new NodeAddress({ ipam, networks: () => networks, clock, log, onChange: () => changes++ });
});

function network(name: string, createdAtMs: number, cidrs: readonly string[]): NetworkRecord {
  const pools = cidrs.map((cidr) => ({ cidr: parseCidr(cidr), blockPrefix: 26 }));
  return { name, createdAtMs, pools, backend: "auto", masquerade: true, policy: "isolated" };
}

function ipOf(name: string, family: number) {
  return parseIp(
    `${family === 4 ? "10" : "fd"}${name === "old" ? ".1" : family === 4 ? ".2" : "02:"}${family === 4 ? ".0.9" : ":9"}`,
  );
}

const settled = () => clock.advance(1);

test("one address a family is taken, each from the oldest network that has it, and only when wanted", async () => {
  address.look();
  await settled();
  expect(address.addresses).toEqual([]);
  address.want(true);
  await settled();
  expect(address.addresses).toEqual(["10.1.0.9", "fd02::9"]);
  expect(changes).toBe(1);
});

test("what the journal has is not taken again, and stays when VXLAN is not used any more", async () => {
  address.want(true);
  await settled();
  address.want(false);
  address.want(true);
  await settled();
  expect(address.addresses).toHaveLength(2);
  expect(changes).toBe(1);
});

test("networks that never cross by VXLAN, or are being deleted, give none", async () => {
  networks = networks.map((each, i) =>
    i === 0 ? { ...each, backend: "direct" } : { ...each, deleting: true },
  );
  address.want(true);
  await settled();
  expect(address.addresses).toEqual([]);
});

test("a full pool is tried again", async () => {
  isFull = true;
  address.want(true);
  await settled();
  expect(address.addresses).toEqual([]);
  isFull = false;
  await clock.advance(30_000);
  expect(address.addresses).toHaveLength(2);
});

test("a network that is to be deleted is left for another one, for a while", async () => {
  address.want(true);
  await settled();
  await address.leave("old");
  await settled();
  expect(address.addresses.toSorted()).toEqual(["10.2.0.9", "fd02::9"]);
  networks = networks.filter(({ name }) => name === "old");
  await address.leave("young");
  await settled();
  expect(address.addresses).toEqual([]);
  await clock.advance(300_000);
  address.look();
  await settled();
  expect(address.addresses).toEqual(["10.1.0.9"]);
});

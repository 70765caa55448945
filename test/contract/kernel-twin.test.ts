/**
 * The twin and Linux get the same random operations and must end in the same state with the same refusals.
 * Left out of the comparison is what Linux adds by itself and the twin does not claim to: IPv6 link-local
 * addresses, routes of the kernel (protocol 2), and indexes of links.
 */
import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isLinkLocal, type Mac, parseCidr, parseIp } from "../../addr/index.ts";
import {
  type Kernel,
  type KernelOperation,
  MemoryKernel,
  openKernel,
  refusedErrno,
} from "../../kernel/index.ts";
import { requireWorld } from "../world.ts";

const names = ["lo", "va", "vb", "vap", "br", "vx", "none"] as const;
const anyLink = fc.constantFrom(...names);
const anyMac = fc.constantFrom<Mac>("02:00:00:00:00:01" as Mac, "02:00:00:00:00:02" as Mac);
const addresses = ["10.7.0.1", "10.7.1.1", "fd07::1"].map(parseIp);
const hops = ["10.7.0.9", "10.7.1.9", "10.7.0.1", "10.9.9.9", "fd07::9", "fe80::1", "fd99::9"].map(parseIp);
const blocks = ["10.50.0.0/16", "10.50.1.0/24", "10.7.0.9/32", "fd50::/64"].map(parseCidr);
const local = parseIp("127.0.0.1");

const create = fc.constantFrom<KernelOperation>(
  {
    op: "link.create",
    link: { kind: "veth", name: "va", up: true, alias: "heddle:va", peer: { name: "vap", up: true } },
  },
  { op: "link.create", link: { kind: "veth", name: "vb", up: true, peer: { name: "vbp", up: true } } },
  { op: "link.create", link: { kind: "bridge", name: "br", up: true } },
  {
    op: "link.create",
    link: { kind: "vxlan", name: "vx", vni: 7, port: 4789, local, learning: false, up: true },
  },
);
const change = fc.record({
  op: fc.constant("link.change" as const),
  link: fc.constantFrom("va", "vb", "none"),
  change: fc.record(
    {
      up: fc.boolean(),
      mtu: fc.constantFrom(1400, 20),
      alias: fc.constantFrom("", "heddle:x"),
      masterIndex: fc.constantFrom("br", 0),
    },
    { requiredKeys: [] },
  ),
});
const remove = fc.record({
  op: fc.constant("link.delete" as const),
  link: fc.constantFrom("va", "vb", "br", "vx", "none"),
});
const address = fc
  .tuple(
    fc.constantFrom("address.put" as const, "address.delete" as const),
    anyLink,
    fc.constantFrom(...addresses),
  )
  .map(([op, link, ip]) => ({ op, link, ip, prefix: ip.includes(":") ? 64 : 24 }));
const route = fc
  .tuple(
    fc.constantFrom("route.put" as const, "route.delete" as const),
    fc.constantFrom(...blocks),
    fc.option(fc.constantFrom(...hops), { nil: undefined }),
    fc.option(fc.constantFrom("va", "vb", "none"), { nil: undefined }),
    fc.boolean(),
    fc.constantFrom("unicast" as const, "unreachable" as const),
    fc.constantFrom(undefined, 7),
  )
  .filter(([, to, via]) => via === undefined || !to.includes(":") || via.includes(":"))
  .map(([op, to, via, link, onlink, type, metric]): KernelOperation => {
    const base = { to, type, protocol: 72, table: 254, ...(metric ? { metric } : {}) };
    if (type === "unreachable") return { op, route: base };
    const hop = via === undefined ? {} : { via, ...(onlink ? { onlink } : {}) };
    return { op, route: { ...base, ...hop, ...(link === undefined ? {} : { link }) } };
  });
const neighbour = fc
  .tuple(
    fc.constantFrom("neighbour.put" as const, "neighbour.delete" as const),
    fc.constantFrom("va", "vb", "vx", "none"),
    fc.constantFrom(...hops),
    anyMac,
    fc.boolean(),
  )
  .map(([op, link, ip, mac, proxy]): KernelOperation => {
    const row = proxy ? { link, ip, permanent: false, proxy } : { link, ip, mac, permanent: true };
    return { op, neighbour: row };
  });
const fdb = fc
  .tuple(
    fc.constantFrom("fdb.put" as const, "fdb.delete" as const),
    fc.constantFrom("vx", "none"),
    anyMac,
    fc.constantFrom(...hops.slice(0, 2)),
  )
  .map(
    ([op, link, mac, destination]): KernelOperation => ({
      op,
      entry: { link, mac, destination, permanent: true },
    }),
  );
const rule = fc
  .tuple(
    fc.constantFrom("rule.put" as const, "rule.delete" as const),
    fc.constantFrom(5, 6),
    fc.constantFrom(undefined, 0x72),
  )
  .map(
    ([op, priority, fwmark]): KernelOperation => ({
      op,
      rule: { family: 4, priority, table: 72, protocol: 72, ...(fwmark ? { fwmark } : {}) },
    }),
  );
const operation: fc.Arbitrary<KernelOperation> = fc.oneof(
  { arbitrary: create, weight: 3 },
  change,
  { arbitrary: remove, weight: 1 },
  { arbitrary: address, weight: 3 },
  { arbitrary: route, weight: 5 },
  neighbour,
  fdb,
  rule,
);

async function stateOf(kernel: Kernel): Promise<unknown> {
  const links = await kernel.links();
  const nameOf = (index: number | undefined) => links.find((link) => link.index === index)?.name;
  const vx = links.find((link) => link.name === "vx");
  const named = (row: object) => {
    const { linkIndex, ...rest } = row as { readonly linkIndex?: number };
    return JSON.stringify(
      Object.fromEntries(Object.entries({ ...rest, link: nameOf(linkIndex) }).sort(byKey)),
    );
  };
  return {
    links: links
      .map((link) => `${link.name} ${link.up} ${link.alias} ${nameOf(link.masterIndex)} ${link.detail.kind}`)
      .sort(),
    addresses: (await kernel.addresses())
      .filter(({ ip }) => !ip.includes(":") || !isLinkLocal(ip))
      .map(named)
      .sort(),
    routes: (await kernel.routes({ protocol: 72 })).map(named).sort(),
    rules: (await kernel.rules(4)).map(named).sort(),
    neighbours: (await kernel.neighbours())
      .filter((row) => row.permanent || row.proxy)
      .map(named)
      .sort(),
    fdb: vx ? (await kernel.fdb(vx.index)).map(named).sort() : [],
  };
}

function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : 1;
}

test("random operations leave the twin and Linux in one state, with the same refusals", async () => {
  requireWorld();
  let made = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 25 }), async (operations) => {
      const netns = `twin${++made}`;
      execFileSync("ip", ["netns", "add", netns]);
      execFileSync("ip", ["-n", netns, "link", "set", "lo", "up"]);
      const linux = openKernel({ netns: `/run/netns/${netns}` });
      try {
        const twin = new MemoryKernel();
        for (const each of operations) {
          const [expected] = await linux.apply([each]);
          const [error] = await twin.apply([each]);
          expect(refusedErrno(error), JSON.stringify(each)).toBe(refusedErrno(expected));
          expect(await stateOf(twin), JSON.stringify(each)).toEqual(await stateOf(linux));
        }
      } finally {
        linux.close();
        execFileSync("ip", ["netns", "del", netns]);
      }
    }),
    { numRuns: Number(process.env["TWIN_RUNS"] ?? 100), seed: Number(process.env["TWIN_SEED"] ?? 72) },
  );
});

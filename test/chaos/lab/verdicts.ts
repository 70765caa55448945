/** What must hold when everything is healed: each verdict is a statement and what contradicts it. */
import { type Cidr, cidrContains, parseCidr, parseIp } from "../../../addr/index.ts";
import type { AddressLease, BlockClaim } from "../../../ipam/index.ts";
import { run, tryRun, waitFor } from "../../lab/command.ts";
import type { Host } from "../../lab/host.ts";
import { lockViolations } from "../fenced-locks.ts";
import { judge } from "../linearizable.ts";
import type { Containers } from "./containers.ts";
import type { Keys } from "./keys.ts";
import type { Locks } from "./locks.ts";
import type { Rig } from "./rig.ts";

export interface Verdict {
  readonly holds: string;
  /** None: it does. */
  readonly against: readonly string[];
}

/** A link whose deletion a kill forestalled stands for 30 s. */
const goneMs = 60_000;
const settledMs = 20_000;

export async function keyVerdicts(keys: Keys, rig: Rig): Promise<readonly Verdict[]> {
  const [host] = rig.hosts;
  if (!host) throw new Error("a rig has hosts");
  const missing = await keys.readAll(rig.api(host));
  const disorder = keys.registers.flatMap(({ key, history }) => {
    const judgement = judge(history);
    return judgement.kind === "linearizable" ? [] : [`${key}: ${JSON.stringify(judgement)}`];
  });
  return [
    { holds: `${keys.acknowledged.size} acknowledged keys are there`, against: missing },
    { holds: `${keys.registers.length} registers are linearizable`, against: disorder },
    { holds: "one ModifyIndex is one value", against: keys.twoOfOneIndex },
  ];
}

export function lockVerdict({ holds, writes }: Locks): Verdict {
  return {
    holds: `${holds.length} holds of locks and ${writes.length} writes under them exclude each other`,
    against: lockViolations(holds, writes),
  };
}

/** Of answers, journals, the plan and the kernel. */
export async function addressVerdicts(containers: Containers, rig: Rig): Promise<readonly Verdict[]> {
  const leases = await leasesOf(rig);
  const held = new Map<string, string[]>();
  for (const [host, some] of leases)
    for (const { ip, owner } of some)
      held.set(ip, [...(held.get(ip) ?? []), `${host.name}/${owner.containerId}`]);
  const twice = [...held].filter(([, owners]) => owners.length > 1);
  const unknown = containers.living.flatMap(({ id, host, container, ips }) =>
    ips
      .filter((ip) => held.get(ip)?.join() !== `${host.name}/${id}` || !hasAddress(container.netns, ip))
      .map((ip) => `${id} on ${host.name} was given ${ip}, which is of ${held.get(ip) ?? "nobody"}`),
  );
  return [
    {
      holds: "no two containers had one address",
      against: [...containers.doubled, ...twice.map(([ip, owners]) => `${ip}: ${owners.join(", ")}`)],
    },
    { holds: `${containers.living.length} containers have what ADD answered`, against: unknown },
    { holds: "every lease is of one block of its node", against: await planViolations(rig, leases) },
    {
      holds: "the kernel's routes are those of the leases and the plan",
      against: await eventually(() => routeViolations(rig, containers)),
    },
    { holds: "containers of all hosts reach each other", against: await reachViolations(containers) },
  ];
}

/** A host that lost its disk has joined as a new one, and nobody else has: no term was ended for no reason. */
export async function termVerdict(
  rig: Rig,
  before: ReadonlyMap<string, number>,
  wiped: ReadonlySet<string>,
): Promise<Verdict> {
  const against = [...(await epochs(rig))].flatMap(([name, epoch]) => {
    const was = before.get(name) ?? 0;
    if (wiped.has(name)) return epoch > was ? [] : [`${name} lost its disk and is in epoch ${epoch} still`];
    return epoch === was ? [] : [`${name} was in epoch ${was} and is in ${epoch}`];
  });
  return { holds: "hosts that lost their disk are in a new epoch, the others in their own", against };
}

export async function epochs(rig: Rig): Promise<ReadonlyMap<string, number>> {
  const nodes = await rig.api(rig.firstHost).nodes();
  return new Map(nodes.map(({ name, epoch = 0 }) => [name, epoch]));
}

/** After DEL of everything. */
export async function leakVerdict(rig: Rig, namespacesBefore: string): Promise<Verdict> {
  const left = async () => {
    const found: string[] = [];
    for (const [host, leases] of await leasesOf(rig)) {
      found.push(...leases.map(({ ip, owner }) => `${host.name}: lease ${ip} of ${owner.containerId}`));
      for (const lines of [
        host.run(["ip", "-o", "link"]),
        host.run(["ip", "route", "show", "table", "all"]),
        host.run(["ip", "-6", "route", "show", "table", "all"]),
      ])
        found.push(
          ...lines
            .split("\n")
            .filter(ofContainer)
            .map((line) => `${host.name}: ${line}`),
        );
      for (const container of host.containers) {
        const links = container.run(["ip", "-o", "link"]).trim().split("\n");
        found.push(
          ...links.filter((line) => !line.includes(": lo:")).map((line) => `${container.id}: ${line}`),
        );
      }
    }
    if (namespaces() !== namespacesBefore)
      found.push(`namespaces: ${namespaces()}, before ${namespacesBefore}`);
    return found;
  };
  return {
    holds: "after DEL no lease, link, route or namespace is left",
    against: await eventually(left, goneMs),
  };
}

export function namespaces(): string {
  return run(["ip", "netns", "list"])
    .split("\n")
    .map((line) => line.split(" ")[0])
    .toSorted()
    .join(" ")
    .trim();
}

const ofContainer = (line: string) => /\bhd[0-9a-f]{12}\b/.test(line);

/** Of containers; a node has addresses of its own, too. */
async function leasesOf(rig: Rig): Promise<ReadonlyMap<Host, readonly AddressLease[]>> {
  const all = new Map<Host, readonly AddressLease[]>();
  for (const host of rig.hosts) {
    const leases = await rig.api(host).leases();
    all.set(
      host,
      leases.filter(({ owner }) => !owner.containerId.startsWith("heddle:")),
    );
  }
  return all;
}

function hasAddress(netns: string, ip: string): boolean {
  return tryRun(["nsenter", `--net=${netns}`, "ip", "-o", "addr"]).stdout.includes(` ${ip}/`);
}

async function blocksOf(rig: Rig): Promise<readonly BlockClaim[]> {
  const store = await rig.etcd.open("heddle/");
  try {
    const { items } = await store.range("ipam/blocks/");
    return items.map(({ value }) => JSON.parse(new TextDecoder().decode(value)) as BlockClaim);
  } finally {
    await store.close();
  }
}

async function planViolations(
  rig: Rig,
  leases: ReadonlyMap<Host, readonly AddressLease[]>,
): Promise<readonly string[]> {
  const blocks = await blocksOf(rig);
  const of = (block: BlockClaim) => `${block.cidr} of ${block.node} in epoch ${block.epoch}`;
  const overlaps = blocks.flatMap((a, index) =>
    blocks
      .slice(index + 1)
      .filter((b) => overlap(a.cidr, b.cidr))
      .map((b) => `${of(a)} overlaps ${of(b)}`),
  );
  const strays = [...leases].flatMap(([{ name }, some]) =>
    some
      .filter(
        ({ ip, epoch }) =>
          !blocks.some(
            (block) => block.node === name && block.epoch === epoch && cidrContains(block.cidr, parseIp(ip)),
          ),
      )
      .map(({ ip, epoch }) => `${name} has ${ip} in epoch ${epoch} of no block`),
  );
  return [...overlaps, ...strays];
}

function overlap(a: Cidr, b: Cidr): boolean {
  const base = (cidr: Cidr) => parseIp(cidr.split("/")[0] ?? "");
  return cidrContains(a, base(b)) || cidrContains(b, base(a));
}

/**
 * Each IPv4 address that ADD answered has its route on its host, no other has one but a leased one (an ADD or DEL that was
 * not answered may have left its lease alone), and each host has one to every block of another.
 */
async function routeViolations(rig: Rig, { living }: Containers): Promise<readonly string[]> {
  const blocks = (await blocksOf(rig)).map(({ cidr, node }) => ({ cidr: parseCidr(cidr), node }));
  const found: string[] = [];
  for (const [host, some] of await leasesOf(rig)) {
    const lines = host.run(["ip", "-o", "route", "show", "proto", "72"]).trim().split("\n");
    const local = lines.filter(ofContainer).map((line) => line.split(" ")[0] ?? "");
    const leased = some.map(({ ip }) => `${ip}`).filter((ip) => ip.includes("."));
    const answered = living
      .filter((each) => each.host === host)
      .flatMap(({ ips }) => ips.filter((ip) => ip.includes(".")));
    found.push(
      ...local.filter((ip) => !leased.includes(ip)).map((ip) => `${host.name}: route to ${ip} without lease`),
      ...answered
        .filter((ip) => !local.includes(ip))
        .map((ip) => `${host.name}: ${ip} of a container without route`),
      ...blocks
        .filter(
          ({ cidr, node }) =>
            node !== host.name && cidr.includes(".") && !lines.some((line) => line.startsWith(`${cidr} `)),
        )
        .map(({ cidr, node }) => `${host.name}: no route to ${cidr} of ${node}`),
    );
  }
  return found;
}

/** One container of each host pings one of every other. */
async function reachViolations({ living }: Containers): Promise<readonly string[]> {
  const one = [...new Map(living.map((each) => [each.host, each])).values()];
  const against: string[] = [];
  for (const from of one)
    for (const to of one) {
      const ip = to.ips.find((each) => each.includes("."));
      if (from === to || ip === undefined) continue;
      const answers = () => from.container.tryRun(["ping", "-c1", "-W1", ip]).status === 0 || undefined;
      await waitFor("an echo", answers, settledMs).catch(() =>
        against.push(`${from.host.name} does not reach ${ip} on ${to.host.name}`),
      );
    }
  return against;
}

/** What is still found when the time is over. */
async function eventually(
  find: () => Promise<readonly string[]>,
  timeoutMs = settledMs,
): Promise<readonly string[]> {
  let last: readonly string[] = [];
  const none = async () => {
    last = await find();
    return last.length === 0 || undefined;
  };
  await waitFor("nothing to be found", none, timeoutMs).catch((error: unknown) => {
    if (last.length === 0) throw error;
  });
  return last;
}

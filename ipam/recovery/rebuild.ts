/**
 * The address plan that follows from what nodes state and from what the store still has of an earlier time. Pure.
 *
 * A node's own word beats the store's: a copy of the store is older than the journal on the node's disk. So of a node
 * that stated something nothing else counts; of a node that is missing nothing is decided, the operator has to wait or to
 * vouch that it is gone. Between two nodes nobody can decide: a prefix that both claim is a conflict.
 *
 * Always holds for a plan without conflicts: no address is in two nodes' claims; every claim is of a term of the plan;
 * everything that is claimed later has a higher serial, and every term begun later a higher epoch, than what was stated.
 */
import {
  type Cidr,
  cidrFirst,
  cidrLast,
  cidrOverlaps,
  compareIp,
  hostCidr,
  type Ip,
} from "../../addr/index.ts";
import type { BlockClaim, NetworkRecord, NodeTerm, StaticClaim } from "../plan/index.ts";
import type { Statement } from "./statement.ts";

export interface Plan {
  readonly networks: readonly NetworkRecord[];
  /** Those that stand. */
  readonly terms: readonly NodeTerm[];
  /** Those that wait to be reclaimed. */
  readonly retired: readonly NodeTerm[];
  readonly blocks: readonly BlockClaim[];
  readonly statics: readonly StaticClaim[];
}

export interface Conflict {
  /** What is claimed twice, or a network. */
  readonly about: string;
  readonly nodes: readonly string[];
  /** For people. */
  readonly why: string;
}

export interface Rebuilt {
  readonly plan: Plan;
  readonly conflicts: readonly Conflict[];
  /** Nodes that somebody knows of and that said nothing. */
  readonly missing: readonly string[];
  /** Stated claims of networks that are there no more, or were made anew since: they count for nothing, as ever. */
  readonly voided: number;
  /** Greater than every epoch and serial that was ever seen. */
  readonly offset: number;
}

export function rebuild(
  standing: Plan,
  statements: readonly Statement[],
  gone: ReadonlySet<string>,
): Rebuilt {
  const heard = new Set(statements.map(({ node }) => node));
  const counted = statements.filter(({ node, hasLeft }) => !hasLeft && !gone.has(node));
  const known = [...standing.terms.map(({ node }) => node), ...statements.flatMap(({ peers }) => peers)];
  const missing = [...new Set(known)].filter((node) => !heard.has(node) && !gone.has(node)).toSorted();

  const networks = chooseNetworks([standing.networks, ...counted.map((each) => each.networks)]);
  const terms = counted.map((statement) => termOf(statement, standing.terms));
  const claimed = {
    blocks: counted.flatMap(({ blocks }) => blocks),
    statics: counted.flatMap(({ statics }) => statics),
  };
  const isValid = (claim: BlockClaim | StaticClaim) => isOf(claim, networks.chosen.get(claim.network));
  const stated = { blocks: claimed.blocks.filter(isValid), statics: claimed.statics.filter(isValid) };
  const voided =
    claimed.blocks.length + claimed.statics.length - stated.blocks.length - stated.statics.length;
  const conflicts = [...networks.conflicts, ...doubles(stated.blocks, stated.statics)];
  // A term that waited to be reclaimed may have been, after the copy was made: then its blocks are others'.
  const waiting = new Set(standing.retired.map(termName));
  const isLeft = (claim: BlockClaim | StaticClaim) =>
    waiting.has(termName(claim)) && !isStated(claim, stated);
  const serials = [...standing.blocks, ...standing.statics, ...claimed.blocks, ...claimed.statics].map(
    ({ serial }) => serial,
  );
  const epochs = [...standing.terms, ...standing.retired, ...statements].map(({ epoch }) => epoch);
  return {
    plan: {
      networks: [...networks.chosen.values()],
      terms,
      retired: standing.retired,
      blocks: [...standing.blocks.filter(isLeft), ...stated.blocks],
      statics: [...standing.statics.filter(isLeft), ...stated.statics],
    },
    conflicts,
    missing,
    voided,
    offset: [...serials, ...epochs].reduce((most, each) => Math.max(most, each), 0),
  };
}

export function termName({ node, epoch }: Pick<NodeTerm, "node" | "epoch">): string {
  return `${epoch} ${node}`;
}

/** Renewed: whoever watches it begins to count anew. */
function termOf(statement: Statement, standing: readonly NodeTerm[]): NodeTerm {
  const { node, epoch, storeId } = statement;
  const before = standing.find((term) => term.node === node && term.epoch === epoch);
  const reclaimAfterMs = Math.max(statement.reclaimAfterMs, before?.reclaimAfterMs ?? 0);
  return { node, epoch, renewal: (before?.renewal ?? 0) + 1, reclaimAfterMs, madeIn: storeId };
}

/** Of two by one name the later one: the earlier was deleted. Pools of different networks must not meet. */
function chooseNetworks(sources: readonly (readonly NetworkRecord[])[]) {
  const chosen = new Map<string, NetworkRecord>();
  for (const network of sources.flat()) {
    const known = chosen.get(network.name);
    if (!known || known.createdAtMs < network.createdAtMs) chosen.set(network.name, network);
  }
  const pools = [...chosen.values()].flatMap(({ name, pools: all }) =>
    all.map(({ cidr }) => ({ name, cidr })),
  );
  const conflicts: Conflict[] = [];
  for (const [at, one] of pools.entries()) {
    for (const other of pools.slice(at + 1)) {
      if (one.name === other.name || !cidrOverlaps(one.cidr, other.cidr)) continue;
      const why = `networks "${one.name}" and "${other.name}" have pools that overlap`;
      conflicts.push({ about: `${one.cidr} and ${other.cidr}`, nodes: [], why });
    }
  }
  return { chosen, conflicts };
}

function isOf(claim: BlockClaim | StaticClaim, network: NetworkRecord | undefined): boolean {
  if (!network?.pools.some(({ cidr }) => cidr === claim.pool)) return false;
  return !("networkCreatedAtMs" in claim) || claim.networkCreatedAtMs === network.createdAtMs;
}

interface Claimed {
  readonly node: string;
  readonly cidr: Cidr;
  /** Addresses in it that are another's by right. */
  readonly reserved: readonly Ip[];
}

/** Prefixes are in or beside each other, so one pass in their order finds those that meet. */
function doubles(blocks: readonly BlockClaim[], statics: readonly StaticClaim[]): readonly Conflict[] {
  const all: Claimed[] = [
    ...blocks,
    ...statics.map(({ node, ip }) => ({ node, cidr: hostCidr(ip), reserved: [] })),
  ];
  all.sort(
    (a, b) =>
      compareIp(cidrFirst(a.cidr), cidrFirst(b.cidr)) || compareIp(cidrLast(b.cidr), cidrLast(a.cidr)),
  );
  const conflicts: Conflict[] = [];
  let around: Claimed[] = [];
  for (const claim of all) {
    around = around.filter(({ cidr }) => cidrOverlaps(cidr, claim.cidr));
    for (const outer of around) {
      if (outer.node === claim.node || outer.reserved.includes(cidrFirst(claim.cidr))) continue;
      const why = `node "${outer.node}" holds ${outer.cidr}, node "${claim.node}" holds ${claim.cidr}`;
      conflicts.push({ about: claim.cidr, nodes: [outer.node, claim.node], why });
    }
    around.push(claim);
  }
  return conflicts;
}

/** Whether a node that spoke has what an ended term is still noted for. */
function isStated(
  claim: BlockClaim | StaticClaim,
  stated: { readonly blocks: readonly BlockClaim[]; readonly statics: readonly StaticClaim[] },
): boolean {
  const prefix = "cidr" in claim ? claim.cidr : hostCidr(claim.ip);
  return (
    stated.blocks.some(({ cidr }) => cidrOverlaps(cidr, prefix)) ||
    stated.statics.some(({ ip }) => cidrOverlaps(hostCidr(ip), prefix))
  );
}

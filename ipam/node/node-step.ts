/**
 * The node's allocator as a pure function: `step(state, input, context) → { state, changes, effects }`. The
 * caller writes `changes` to its journal first, then takes the new state and carries out the effects; if the
 * journal fails, neither happens.
 */
import type { Cidr, Ip } from "../../addr/index.ts";
import { FabricError } from "../../errors/index.ts";
import type { BootInstant } from "../fence.ts";
import {
  type AddressLease,
  type AllocateRequest,
  type BlockClaim,
  isSameOwner,
  type LeaseOwner,
  type NetworkRecord,
  type StaticClaim,
} from "../plan/index.ts";
import { isEmptyBlock } from "./block.ts";
import type { JournalChange } from "./lease-journal.ts";
import { allocate } from "./node-allocate.ts";
import { type NodeState, StateDraft, type StepContext } from "./node-state.ts";

export type NodeInput =
  | {
      readonly kind: "allocate";
      readonly request: AllocateRequest;
      readonly network: NetworkRecord | undefined;
    }
  | { readonly kind: "release"; readonly network: string | undefined; readonly owner: LeaseOwner }
  | { readonly kind: "block claimed"; readonly claim: BlockClaim }
  | { readonly kind: "static claimed"; readonly claim: StaticClaim }
  /** The allocation that static addresses were claimed for has failed. */
  | { readonly kind: "abandon"; readonly network: string; readonly owner: LeaseOwner }
  | { readonly kind: "block released"; readonly claim: BlockClaim }
  | { readonly kind: "static released"; readonly claim: StaticClaim }
  /** Give empty blocks back; of each pool at least `keep` blocks stay. */
  | { readonly kind: "surrender"; readonly network: string | undefined; readonly keep: number }
  | {
      readonly kind: "renewed";
      readonly atMs: number;
      readonly epoch: number;
      readonly reclaimAfterMs: number;
    }
  | { readonly kind: "fence"; readonly epoch: number; readonly reclaimAfterMs: number }
  | { readonly kind: "tick" };

export type NodeEffect =
  | { readonly kind: "answer"; readonly leases: readonly AddressLease[] }
  | { readonly kind: "refuse"; readonly error: FabricError }
  /** The allocation needs a block of one of these pools, in this order; then it is to be tried again. */
  | {
      readonly kind: "claim block";
      readonly network: string;
      readonly pools: readonly Cidr[];
      readonly within?: Cidr;
    }
  | { readonly kind: "claim static"; readonly network: string; readonly ip: Ip; readonly owner: LeaseOwner }
  | { readonly kind: "release block"; readonly claim: BlockClaim }
  | { readonly kind: "release static"; readonly claim: StaticClaim };

export interface NodeStep {
  readonly state: NodeState;
  readonly changes: readonly JournalChange[];
  readonly effects: readonly NodeEffect[];
}

/** Quarantines ended, or blocks surrendered, in one step: the journal bounds a commit. */
const endingsPerStepMax = 24;
/** A renewal is journaled only so often: an older one on disk merely shortens the time after a restart. */
export const renewalJournalIntervalMs = 5 * 60 * 1000;

export function step(before: NodeState, input: NodeInput, context: StepContext): NodeStep {
  const draft = new StateDraft(before, context);
  endQuarantines(draft, context.nowMs);
  const effects = [...dispatch(draft, input, context)];
  return { state: draft.state, changes: draft.changes, effects };
}

function dispatch(draft: StateDraft, input: NodeInput, context: StepContext): readonly NodeEffect[] {
  switch (input.kind) {
    case "allocate":
      return allocate(draft, input.request, input.network, context);
    case "release":
      return [{ kind: "answer", leases: release(draft, input.network, input.owner) }];
    case "block claimed":
      if (isNewClaim(draft.state, input.claim, draft.state.blocks.get(input.claim.cidr)?.claim)) {
        draft.put({ kind: "block", claim: input.claim, releasing: false });
      }
      return [];
    case "static claimed":
      if (isNewClaim(draft.state, input.claim, draft.state.statics.get(input.claim.ip)?.claim)) {
        draft.put({ kind: "static", claim: input.claim, releasing: false });
      }
      return [];
    case "abandon":
      return abandon(draft, input.network, input.owner);
    case "block released":
      if (draft.state.blocks.get(input.claim.cidr)?.claim.serial === input.claim.serial) {
        draft.drop("block", input.claim.cidr);
      }
      return [];
    case "static released":
      if (draft.state.statics.get(input.claim.ip)?.claim.serial === input.claim.serial) {
        draft.drop("static", input.claim.ip);
      }
      return [];
    case "surrender":
      return surrender(draft, input.network, input.keep);
    case "renewed":
      return renewed(draft, input, context);
    case "fence":
      return fence(draft, input.epoch, input.reclaimAfterMs);
    case "tick":
      return pendingReleases(draft.state);
    default:
      return input satisfies never;
  }
}

type AnyClaim = Pick<BlockClaim, "epoch" | "serial">;

/** Of the node's epoch, and later than what the node has under the same key (which is void then). */
function isNewClaim(state: NodeState, claim: AnyClaim, known: AnyClaim | undefined): boolean {
  return claim.epoch === state.term?.epoch && claim.serial > (known?.serial ?? 0);
}

function endQuarantines(draft: StateDraft, nowMs: number): void {
  const over = draft.state.rests.values().filter((rest) => rest.untilMs <= nowMs);
  for (const rest of [...over.take(endingsPerStepMax)]) {
    draft.drop("rest", rest.ip);
    const held = draft.state.statics.get(rest.ip);
    if (held) draft.put({ kind: "static", claim: held.claim, releasing: true });
  }
}

function release(draft: StateDraft, network: string | undefined, owner: LeaseOwner): readonly AddressLease[] {
  const leases = [...draft.state.leases.values()].filter(
    (lease) => isSameOwner(lease.owner, owner) && (network === undefined || lease.network === network),
  );
  for (const { ip, pool, network: name } of leases) {
    draft.drop("lease", ip);
    draft.put({ kind: "rest", network: name, pool, ip, owner });
  }
  return leases;
}

/** No container ever had these addresses, so they need no quarantine. */
function abandon(draft: StateDraft, network: string, owner: LeaseOwner): readonly NodeEffect[] {
  const { statics, leases, rests } = draft.state;
  const unused = [...statics.values()].filter(
    ({ claim, releasing }) =>
      !releasing &&
      claim.network === network &&
      isSameOwner(claim.owner, owner) &&
      !leases.has(claim.ip) &&
      !rests.has(claim.ip),
  );
  for (const { claim } of unused) draft.put({ kind: "static", claim, releasing: true });
  return unused.map(({ claim }) => ({ kind: "release static", claim }));
}

/** A block with addresses at rest is not empty: another node must not hand them out yet. */
function surrender(draft: StateDraft, network: string | undefined, keep: number): readonly NodeEffect[] {
  const usable = [...draft.state.blocks.values()].filter(
    (block) => !block.releasing && (network === undefined || block.claim.network === network),
  );
  const given: BlockClaim[] = [];
  for (const blocks of Map.groupBy(usable, (block) => block.claim.pool).values()) {
    const empty = blocks.filter(isEmptyBlock);
    const busy = blocks.length - empty.length;
    given.push(...empty.slice(Math.max(0, keep - busy)).map((block) => block.claim));
  }
  const now = given.slice(0, endingsPerStepMax);
  for (const claim of now) draft.put({ kind: "block", claim, releasing: true });
  return now.map((claim) => ({ kind: "release block", claim }));
}

function renewed(
  draft: StateDraft,
  input: Extract<NodeInput, { kind: "renewed" }>,
  context: StepContext,
): readonly NodeEffect[] {
  const { term } = draft.state;
  if (term?.epoch !== input.epoch) {
    return [
      {
        kind: "refuse",
        error: new FabricError(
          "IPAM_STALE_EPOCH",
          `renew epoch ${input.epoch}: this node is in ${term ? `epoch ${term.epoch}` : "none"}; fence it into the new epoch first`,
          { details: { epoch: input.epoch, ...(term ? { currentEpoch: term.epoch } : {}) } },
        ),
      },
    ];
  }
  const atMs = Math.min(input.atMs, context.nowMs);
  const lastMs = term.renewedAtMs ?? Number.NEGATIVE_INFINITY;
  if (atMs <= lastMs) return [];
  const { epoch, journaledAtMs = Number.NEGATIVE_INFINITY } = term;
  const { reclaimAfterMs } = input;
  if (atMs - journaledAtMs >= renewalJournalIntervalMs || reclaimAfterMs !== term.reclaimAfterMs) {
    draft.put({ kind: "term", epoch, reclaimAfterMs, renewed: bootInstantAt(context, atMs) });
  } else {
    draft.setTerm({ ...term, renewedAtMs: atMs });
  }
  return [];
}

/** The renewal that came with the new term is reported by `renewed` afterwards. */
function fence(draft: StateDraft, epoch: number, reclaimAfterMs: number): readonly NodeEffect[] {
  if (draft.state.term?.epoch === epoch) return [{ kind: "answer", leases: [] }];
  const leases = [...draft.state.leases.values()];
  draft.apply({ op: "clear" });
  draft.put({ kind: "term", epoch, reclaimAfterMs });
  return [{ kind: "answer", leases }];
}

function pendingReleases(state: NodeState): readonly NodeEffect[] {
  const blocks = [...state.blocks.values()].filter((block) => block.releasing);
  const statics = [...state.statics.values()].filter((held) => held.releasing);
  return [
    ...blocks.map(({ claim }) => ({ kind: "release block", claim }) as const),
    ...statics.map(({ claim }) => ({ kind: "release static", claim }) as const),
  ];
}

function bootInstantAt(context: StepContext, atMs: number): BootInstant {
  const agoMs = context.nowMs - atMs;
  const { bootId, steadyMs, uptimeMs } = context.boot;
  return { bootId, steadyMs: steadyMs - agoMs, uptimeMs: uptimeMs - agoMs };
}

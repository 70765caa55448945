/**
 * One pass over a node: look, plan, apply. Holds what one pass hands to the next: the caches of paths and design, what is
 * in the nftables table (a look is a process of its own, so a pass looks only when it is thorough or somebody
 * else changed the table; what was loaded here counts as loaded) and since when each unclaimed host end has
 * been seen.
 *
 * Between planning and applying nothing is awaited but the journal of original settings, and only when there
 * is something new to remember: a plan is never applied to endpoints that changed since.
 */
import type { Clock } from "../../clock/index.ts";
import { describeOperation, type Kernel, type KernelOperation } from "../../kernel/index.ts";
import type { NodeDesired } from "../desired.ts";
import { type HostState, type HostStateJournal, observeSysctls, planPurge, remember } from "../host/index.ts";
import { canonicalTable, deleteTable, desiredTable, type NftObject, replaceTable } from "../nft/index.ts";
import { type NodeObserved, observe, PathCache } from "../observed/index.ts";
import { DesignCache, orphanLinks, planDesign } from "../plan/index.ts";
import { type Problem, problemOf } from "../problem.ts";
import { nftFamily, nftTableName } from "../row/index.ts";
import type { Attachments } from "./attachments.ts";
import { UserChain } from "./user-chain.ts";

export interface NodePlan {
  readonly operations: readonly KernelOperation[];
  /** The same in ip(8) words, one a line. */
  readonly words: readonly string[];
  /** The nftables transaction, as libnftables-json(5) commands; absent when the table is as it should be. */
  readonly ruleset?: readonly unknown[];
  readonly problems: readonly Problem[];
  /** Another node is reached by VXLAN. */
  readonly usesVxlan: boolean;
}

export interface PassResult extends NodePlan {
  /** Operations that Linux refused; they are worth trying again. */
  readonly refused: readonly Problem[];
}

export interface NodePassOptions {
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly journal: HostStateJournal;
  readonly attachments: Attachments;
  /** How long a host end is unclaimed before it is deleted. */
  readonly orphanGraceMs: number;
}

const emptyState: HostState = { sysctls: [] };

export class NodePass {
  readonly #options: NodePassOptions;
  readonly #paths = new PathCache();
  readonly #designs = new DesignCache();
  readonly #orphanSinceMs = new Map<number, number>();
  /** Canonical text of the table, empty for none; undefined when not known. */
  #table: string | undefined;
  /** The next pass looks at the table. */
  #isTableStale = true;
  readonly #userChain: UserChain;

  constructor(options: NodePassOptions) {
    this.#options = options;
    this.#userChain = new UserChain(options.kernel);
  }

  /** Somebody else changed our nftables table, or one that we have rules in. */
  tableChanged(): void {
    this.#isTableStale = true;
  }

  /** Looks and plans, changing nothing. */
  async dryRun(desired: NodeDesired): Promise<NodePlan> {
    const unread = await this.#lookAtTable();
    const plan = this.#plan(desired, await this.#observe(desired));
    return { ...plan, problems: [...unread, ...plan.problems] };
  }

  /** A thorough pass looks at the nftables in any case. */
  async run(desired: NodeDesired, thorough: boolean): Promise<PassResult> {
    const { journal, attachments } = this.#options;
    const state = (await journal.load()) ?? emptyState;
    const unread = thorough || this.#isTableStale ? await this.#lookAtTable() : [];
    const observed = await this.#observe(desired);
    let plan = this.#plan(desired, observed);
    const next = remember(state, plan.operations, observed);
    if (next !== state) {
      await journal.save(next);
      plan = this.#plan(desired, observed);
    }
    const rows = await attachments.whileApplying(() => this.#apply(plan.operations, plan.words));
    const makes = desiredTable(desired.networks, desired.published);
    const refused = [...rows, ...unread, ...(await this.#load(plan.ruleset, makes))];
    return { ...plan, problems: [...plan.problems, ...refused], refused };
  }

  /** Takes everything away, goes on after a failure, and answers what could not be undone. */
  async purge(): Promise<NodePlan> {
    const plan = await this.dryPurge();
    const problems = await this.#apply(plan.operations, plan.words);
    const left = [...plan.problems, ...problems, ...(await this.#load(plan.ruleset, []))];
    if (left.length === 0) await this.#options.journal.save(emptyState);
    return { ...plan, problems: left };
  }

  /** What `purge` would do. */
  async dryPurge(): Promise<NodePlan> {
    const state = (await this.#options.journal.load()) ?? emptyState;
    const problems = await this.#lookAtTable();
    const observed = await observe(this.#options.kernel, { remotes: [] }, this.#paths);
    const operations = planPurge(state, observed, { keepsForwarding: this.#userChain.isThere });
    const commands = [...(this.#table ? deleteTable() : []), ...this.#userChain.removal];
    const ruleset = commands.length > 0 ? { ruleset: commands } : {};
    return { operations, words: wordsOf(operations, observed), ...ruleset, problems, usesVxlan: false };
  }

  async #observe(desired: NodeDesired): Promise<NodeObserved> {
    const tables = await observe(this.#options.kernel, desired, this.#paths);
    return { ...tables, sysctls: await observeSysctls(this.#options.kernel, desired, tables) };
  }

  #plan(desired: NodeDesired, observed: NodeObserved): NodePlan {
    const { attachments } = this.#options;
    const now = { ...desired, endpoints: attachments.endpoints(desired.endpoints) };
    const spared = attachments.spared();
    for (const name of this.#youngOrphans(now, observed, spared)) spared.add(name);
    const design = this.#designs.design(now, observed);
    const operations = planDesign(design, now, observed, spared);
    const wanted = desiredTable(desired.networks, desired.published);
    const isLoaded = this.#table === undefined || this.#table === canonicalTable(wanted);
    const commands = [...(isLoaded ? [] : replaceTable(wanted)), ...this.#userChain.missing];
    const ruleset = commands.length > 0 ? { ruleset: commands } : {};
    const words = wordsOf(operations, observed);
    return { operations, words, ...ruleset, problems: design.problems, usesVxlan: design.usesVxlan };
  }

  #youngOrphans(desired: NodeDesired, observed: NodeObserved, spared: ReadonlySet<string>): string[] {
    const { clock, orphanGraceMs } = this.#options;
    const nowMs = clock.monotonicMs();
    const orphans = orphanLinks(desired, observed, spared);
    const indexes = new Set(orphans.map((link) => link.index));
    for (const index of this.#orphanSinceMs.keys())
      if (!indexes.has(index)) this.#orphanSinceMs.delete(index);
    return orphans
      .filter(({ index }) => {
        const sinceMs = this.#orphanSinceMs.get(index) ?? nowMs;
        this.#orphanSinceMs.set(index, sinceMs);
        return nowMs - sinceMs < orphanGraceMs;
      })
      .map((link) => link.name);
  }

  async #apply(operations: readonly KernelOperation[], words: readonly string[]): Promise<Problem[]> {
    if (operations.length === 0) return [];
    const errors = await this.#options.kernel.apply(operations);
    return errors.flatMap((error, i) => (error ? [problemOf(words[i] ?? "operation", error)] : []));
  }

  /** A refused ruleset leaves the table unknown, until the next look. */
  async #load(ruleset: readonly unknown[] | undefined, makes: readonly NftObject[]): Promise<Problem[]> {
    if (!ruleset) return [];
    this.#userChain.settled();
    return await this.#settleTable(async () => {
      await this.#options.kernel.nftApply(ruleset);
      return makes;
    });
  }

  async #lookAtTable(): Promise<Problem[]> {
    this.#isTableStale = false;
    const { kernel } = this.#options;
    const own = await this.#settleTable(async () => (await kernel.nftTable(nftFamily, nftTableName)) ?? []);
    return [...own, ...(await this.#userChain.look())];
  }

  async #settleTable(work: () => Promise<readonly unknown[]>): Promise<Problem[]> {
    this.#table = undefined;
    try {
      this.#table = canonicalTable(await work());
      return [];
    } catch (error) {
      this.#isTableStale = true;
      return [problemOf(`nft table ${nftTableName}`, error)];
    }
  }
}

function wordsOf(operations: readonly KernelOperation[], { links }: Pick<NodeObserved, "links">): string[] {
  const names = new Map(links.map((link) => [link.index, link.name]));
  return operations.map((operation) => describeOperation(operation, (index) => names.get(index)));
}

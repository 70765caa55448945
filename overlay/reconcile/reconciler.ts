/**
 * Keeps the node's kernel equal to its plan: when the desired state changes, when the kernel tells of a
 * change, and by a thorough look every `fullDumpMs`, which also heals what no notification tells of. Passes
 * run one at a time, at the pace of pace.ts; nothing happens before the first `setDesired`, as an empty
 * desired state would take every container off the node. Errors never end it: they are in
 * `status.problems` until a pass goes without.
 */
import { type Clock, systemClock, type Timer } from "../../clock/index.ts";
import type { Kernel, KernelEvent, KernelTopic } from "../../kernel/index.ts";
import type { NodeDesired } from "../desired.ts";
import {
  type AttachedEndpoint,
  checkEndpoint,
  type DetachTarget,
  type EndpointSpec,
} from "../endpoint/index.ts";
import type { HostStateJournal } from "../host/index.ts";
import { type Problem, problemOf } from "../problem.ts";
import { nftTopic } from "../row/index.ts";
import { type AttachmentLimits, Attachments } from "./attachments.ts";
import { NodePass, type NodePlan, type PassResult } from "./node-pass.ts";
import { Pace, type PaceLimits } from "./pace.ts";
import { userChainTopics } from "./user-chain.ts";

export interface ReconcilerLimits extends AttachmentLimits, PaceLimits {
  readonly fullDumpMs: number;
  /** How long a host end without endpoint stands before it is deleted. */
  readonly orphanGraceMs: number;
  /** Problems kept in the status; all are counted. */
  readonly problemsMax: number;
}

export const reconcilerDefaults = { fullDumpMs: 60_000, orphanGraceMs: 30_000, problemsMax: 100 } as const;

export interface ReconcilerOptions {
  readonly kernel: Kernel;
  readonly journal: HostStateJournal;
  readonly clock?: Clock;
  readonly limits?: Partial<ReconcilerLimits>;
  /** Told when this node begins or ends to reach others by VXLAN. */
  readonly onVxlan?: (used: boolean) => void;
}

export interface ReconcileReport {
  /** What was done, in ip(8) words. */
  readonly done: readonly string[];
  readonly rulesetReplaced: boolean;
  readonly problems: readonly Problem[];
  readonly durationMs: number;
}

export interface ReconcilerStatus {
  readonly passes: number;
  /** Operations since the start, refused ones included; a ruleset counts as one. */
  readonly operations: number;
  readonly lastDurationMs: number;
  readonly problems: readonly Problem[];
  readonly problemCount: number;
}

const nftTopics = [nftTopic, ...userChainTopics];
const topics: readonly KernelTopic[] = ["link", "address", "route", "neighbour", "sysctl", ...nftTopics];
const emptyResult: PassResult = { operations: [], words: [], problems: [], refused: [], usesVxlan: false };

export class Reconciler {
  readonly #kernel: Kernel;
  readonly #clock: Clock;
  readonly #limits: Pick<ReconcilerLimits, keyof typeof reconcilerDefaults>;
  readonly #attachments: Attachments;
  readonly #pass: NodePass;
  readonly #pace: Pace;
  readonly #onVxlan: (used: boolean) => void;
  #usesVxlan = false;
  #desired: NodeDesired | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #next: { readonly dueMs: number; readonly timer: Timer } | undefined;
  #fullDump: Timer | undefined;
  #thoroughNext = true;
  #running: AbortController | undefined;
  #status: ReconcilerStatus = { passes: 0, operations: 0, lastDurationMs: 0, problems: [], problemCount: 0 };

  constructor({ kernel, journal, clock = systemClock, limits = {}, onVxlan = noop }: ReconcilerOptions) {
    this.#kernel = kernel;
    this.#clock = clock;
    this.#limits = { ...reconcilerDefaults, ...limits };
    this.#pace = new Pace(limits);
    this.#onVxlan = onVxlan;
    this.#attachments = new Attachments(kernel, clock, limits);
    const { orphanGraceMs } = this.#limits;
    this.#pass = new NodePass({ kernel, clock, journal, attachments: this.#attachments, orphanGraceMs });
  }

  get status(): ReconcilerStatus {
    return this.#status;
  }

  /** Follows the kernel's notifications from now on. */
  start(): void {
    if (this.#running) return;
    this.#running = new AbortController();
    void this.#follow(this.#kernel.events(topics, this.#running.signal));
    this.#armFullDump();
    this.#schedule(0);
  }

  /** The whole desired state; replaces the one before. For endpoints see attachments.ts. */
  setDesired(desired: NodeDesired): void {
    this.#desired = desired;
    this.#attachments.confirm(desired.endpoints);
    this.#pace.forgive();
    this.#scheduleOnChange();
  }

  /** @throws what attachEndpoint throws, and OVERLAY_QUEUE_FULL */
  attach(spec: EndpointSpec): Promise<AttachedEndpoint> {
    return this.#attachments.attach(spec);
  }

  /** Resolves when the addresses are unreachable; the link goes a moment later. */
  detach(target: DetachTarget): Promise<void> {
    return this.#attachments.detach(target);
  }

  /** @throws OVERLAY_ENDPOINT_DRIFT */
  check(spec: EndpointSpec): Promise<void> {
    return checkEndpoint(this.#kernel, spec);
  }

  /** A thorough pass, after the one that may be running. */
  reconcileNow(): Promise<ReconcileReport> {
    return this.#inTurn(() => this.#run(true));
  }

  /** What a pass would do now. */
  dryRun(): Promise<NodePlan> {
    const desired = this.#desired;
    return this.#inTurn(async () => (desired ? await this.#pass.dryRun(desired) : emptyResult));
  }

  /** What a purge would do now. */
  dryPurge(): Promise<NodePlan> {
    return this.#inTurn(() => this.#pass.dryPurge());
  }

  /** Stops, and leaves the host as it was before; what could not be undone is in `problems`. */
  async purge(): Promise<NodePlan> {
    await this.stop();
    return await this.#inTurn(() => this.#pass.purge());
  }

  /** Ends after the running pass; leaves the kernel as it is, but for links that were to be deleted. */
  async stop(): Promise<void> {
    this.#running?.abort();
    this.#running = undefined;
    this.#next?.timer.cancel();
    this.#next = undefined;
    this.#fullDump?.cancel();
    await this.#turn;
    await this.#attachments.flush();
  }

  async #follow(events: AsyncIterable<KernelEvent>): Promise<void> {
    for await (const event of events) {
      if (event.kind === "overrun") this.#thoroughNext = true;
      else if (nftTopics.some((topic) => event.topics.has(topic))) this.#pass.tableChanged();
      this.#scheduleOnChange();
    }
  }

  #armFullDump(): void {
    this.#fullDump = this.#clock.setTimer(this.#limits.fullDumpMs, () => {
      this.#thoroughNext = true;
      this.#schedule(0);
      this.#armFullDump();
    });
  }

  #scheduleOnChange(): void {
    this.#schedule(this.#pace.delayMs(this.#clock.monotonicMs()));
  }

  /** At most one pass waits; the earliest time asked for counts. */
  #schedule(delayMs: number): void {
    if (!this.#running || !this.#desired) return;
    const dueMs = this.#clock.monotonicMs() + delayMs;
    if (this.#next && this.#next.dueMs <= dueMs) return;
    this.#next?.timer.cancel();
    const timer = this.#clock.setTimer(delayMs, () => {
      void this.#inTurn(async () => {
        this.#next = undefined;
        if (this.#running) await this.#run(this.#thoroughNext);
      });
    });
    this.#next = { dueMs, timer };
  }

  async #run(thorough: boolean): Promise<ReconcileReport> {
    const startMs = this.#clock.monotonicMs();
    this.#thoroughNext = false;
    const { operations, words, ruleset, problems, refused } = await this.#attempt(thorough);
    const endMs = this.#clock.monotonicMs();
    const durationMs = endMs - startMs;
    const steps = operations.length + (ruleset ? 1 : 0);
    this.#pace.passed(endMs, durationMs, Math.max(0, steps - refused.length), refused.length);
    this.#status = {
      passes: this.#status.passes + 1,
      operations: this.#status.operations + steps,
      lastDurationMs: durationMs,
      problems: problems.slice(0, this.#limits.problemsMax),
      problemCount: problems.length,
    };
    const retryMs = this.#pace.retryMs();
    if (retryMs !== undefined) this.#schedule(retryMs);
    return { done: words, rulesetReplaced: ruleset !== undefined, problems, durationMs };
  }

  /** A pass that the kernel's door or the journal could not carry through is a problem as well. */
  async #attempt(thorough: boolean): Promise<PassResult> {
    if (!this.#desired) return emptyResult;
    try {
      const result = await this.#pass.run(this.#desired, thorough);
      if (result.usesVxlan !== this.#usesVxlan) this.#onVxlan(result.usesVxlan);
      this.#usesVxlan = result.usesVxlan;
      return result;
    } catch (error) {
      const problem = problemOf("reconciliation", error);
      this.#thoroughNext = true;
      return { ...emptyResult, problems: [problem], refused: [problem] };
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.then(noop, noop);
    return turn;
  }
}

function noop(): void {}

/**
 * Carries operations out in order through one socket. Rows gather into batches (one send(2) for up to
 * `batchMax`); what needs an answer first closes the batch before it. A run of links to delete goes as one
 * (see link-group.ts).
 */
import { setImmediate } from "node:timers/promises";
import { type FabricError, isFabricError } from "../../errors/index.ts";
import { describeOperation } from "../describe-operation.ts";
import type { KernelOperation, LinkRef } from "../operation.ts";
import { refusal, refusedErrno } from "../refusal.ts";
import { flag } from "./constants.ts";
import { changeLink, createLink, type LinkContext, seekIndex } from "./link-changes.ts";
import { deleteTogether } from "./link-group.ts";
import { batchMax, batchMaxBytes } from "./netlink-socket.ts";
import { requestOf } from "./request.ts";

export interface ApplyContext extends LinkContext {
  putSysctl(path: readonly string[], value: string): void;
}

type Outcome = FabricError | undefined;
interface Pending {
  readonly at: number;
  readonly settled: readonly string[];
}

/** A group costs a dump of the links, which is less than what a single one costs. */
const togetherMin = 2;

/** @returns one entry an operation, undefined for done */
export async function applyOperations(
  context: ApplyContext,
  operations: readonly KernelOperation[],
): Promise<readonly Outcome[]> {
  const run = new Run(context, operations);
  for (let at = 0; at < operations.length; ) {
    at = run.step(at);
    if (run.isFull) {
      run.flush();
      await setImmediate();
    }
  }
  run.flush();
  return run.outcomes;
}

class Run {
  readonly outcomes: Outcome[];
  readonly #context: ApplyContext;
  readonly #operations: readonly KernelOperation[];
  readonly #pending = new Map<number, Pending>();
  readonly #indexes = new Map<string, number>();
  #lastSequence = 0;

  constructor(context: ApplyContext, operations: readonly KernelOperation[]) {
    this.#context = context;
    this.#operations = operations;
    this.outcomes = new Array<Outcome>(operations.length).fill(undefined);
  }

  get isFull(): boolean {
    return this.#pending.size >= batchMax || this.#context.socket.writer.length >= batchMaxBytes;
  }

  /** Does the operation at `at` or writes it into the batch; answers where the next one is. */
  step(at: number): number {
    const end = this.#endOfDeletes(at);
    if (end - at >= togetherMin && this.#deleteTogether(at, end)) return end;
    try {
      this.#one(at);
    } catch (error) {
      this.outcomes[at] = asOutcome(error);
    }
    return at + 1;
  }

  #one(at: number): void {
    const operation = this.#operations[at];
    switch (operation?.op) {
      case undefined:
        return;
      case "link.create":
        this.#settleLinks();
        createLink(this.#context, operation);
        return;
      case "link.change":
        this.#settleLinks();
        changeLink(this.#context, operation);
        return;
      case "sysctl.put":
        this.flush();
        this.#context.putSysctl(operation.path, operation.value);
        return;
      case "link.delete":
        this.#settleLinks();
        this.#row(at, operation);
        return;
      case "address.put":
      case "address.delete":
      case "route.put":
      case "route.delete":
      case "rule.put":
      case "rule.delete":
      case "neighbour.put":
      case "neighbour.delete":
      case "fdb.put":
      case "fdb.delete":
        this.#row(at, operation);
        return;
      default:
        operation satisfies never;
    }
  }

  /** Names may mean other links from here on. */
  #settleLinks(): void {
    this.flush();
    this.#indexes.clear();
  }

  #row(at: number, operation: Parameters<typeof requestOf>[0]): void {
    const isDelete = operation.op.endsWith(".delete");
    let request: ReturnType<typeof requestOf>;
    try {
      request = requestOf(operation, (ref) => this.#indexOf(ref, operation));
    } catch (error) {
      if (isDelete && refusedErrno(error) === "ENODEV") return;
      throw error;
    }
    const { socket } = this.#context;
    const start = this.#pending.size === 0;
    if (start) socket.writer.reset();
    const sequence = socket.nextSequence();
    socket.writer.begin(request.type, flag.request | request.flags, sequence);
    try {
      request.write(socket.writer);
    } catch (error) {
      socket.writer.drop();
      throw error;
    }
    socket.writer.end();
    this.#pending.set(sequence, { at, settled: request.settled });
    this.#lastSequence = sequence;
  }

  #indexOf(ref: LinkRef, operation: KernelOperation): number {
    if (typeof ref === "number") return ref;
    const known = this.#indexes.get(ref);
    if (known !== undefined) return known;
    this.flush();
    const index = seekIndex(this.#context.socket, ref);
    if (index === undefined) throw refusal(describeOperation(operation), "ENODEV");
    this.#indexes.set(ref, index);
    return index;
  }

  /** Sends the batch and files its failures. */
  flush(): void {
    if (this.#pending.size === 0) return;
    const pending = new Map(this.#pending);
    this.#pending.clear();
    try {
      const failures = this.#context.socket.sendBatch("apply operations", this.#lastSequence);
      for (const [sequence, { errno, sentence }] of failures) {
        const request = pending.get(sequence);
        const operation = request && this.#operations[request.at];
        if (!request || !operation) continue;
        const error = refusal(describeOperation(operation), errno, sentence);
        if (!request.settled.includes(refusedErrno(error) ?? "")) this.outcomes[request.at] = error;
      }
    } catch (error) {
      for (const { at } of pending.values()) this.outcomes[at] = asOutcome(error);
    }
  }

  #endOfDeletes(at: number): number {
    let end = at;
    while (this.#operations[end]?.op === "link.delete" && end - at < batchMax) end++;
    return end;
  }

  /** False when Linux would not: then each is deleted by itself, and each error belongs to its link. */
  #deleteTogether(at: number, end: number): boolean {
    this.#settleLinks();
    const { socket } = this.#context;
    const indexes = new Set<number>();
    try {
      for (const operation of this.#operations.slice(at, end)) {
        if (operation.op !== "link.delete") continue;
        const index = typeof operation.link === "number" ? operation.link : seekIndex(socket, operation.link);
        if (index !== undefined) indexes.add(index);
      }
      return deleteTogether(socket, indexes);
    } catch (error) {
      if (!isFabricError(error)) throw error;
      return false;
    }
  }
}

/** Anything but a refusal of ours is a defect and goes up. */
function asOutcome(error: unknown): FabricError {
  if (isFabricError(error)) return error;
  throw error;
}

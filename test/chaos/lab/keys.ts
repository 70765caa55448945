/**
 * Clients of the key/value store, each through one agent, one operation at a time, everything recorded with the times of
 * this process's clock around it. Every value is written once, so that a ModifyIndex names a value and a check-and-set
 * by index is one by value. A key whose history has `lostMax` lost answers is left for a new one: each may double the
 * search for an order.
 */
import type { ApiClient, ClientResponse } from "../../../api/index.ts";
import { FabricError } from "../../../errors/index.ts";
import { pick, type Random } from "../../fuzz/mutate.ts";
import type { Operation, Value } from "../linearizable.ts";
import { nowMs, wait } from "./wait.ts";

const lostMax = 6;
/** A key with as many operations is left for a new one. */
const operationsMax = 400;

export type Outcome = "ok" | "fail" | "unknown";

/** Wall times around one operation. */
export interface Attempt {
  readonly kind: string;
  readonly outcome: Outcome;
  readonly invokedMs: number;
  readonly returnedMs: number;
}

/** Which operations there were, and how they ended. */
export class Tally {
  readonly attempts: Attempt[] = [];

  add(kind: string, outcome: Outcome, invokedMs: number): void {
    this.attempts.push({ kind, outcome, invokedMs, returnedMs: nowMs() });
  }

  get counts(): Readonly<Record<string, Readonly<Record<Outcome, number>>>> {
    const counts: Record<string, Record<Outcome, number>> = {};
    for (const { kind, outcome } of this.attempts) {
      counts[kind] ??= { ok: 0, fail: 0, unknown: 0 };
      counts[kind][outcome]++;
    }
    return counts;
  }
}

/**
 * The answer; "fail": it surely did not happen; "unknown": perhaps. An error of the server's own is "unknown": the
 * store behind may have done it.
 */
export async function attempt(
  send: () => Promise<ClientResponse>,
): Promise<ClientResponse | "fail" | "unknown"> {
  try {
    const response = await send();
    return response.status >= 500 ? "unknown" : response;
  } catch (error) {
    if (!(error instanceof FabricError)) throw error;
    const { cause } = error as { cause?: { code?: unknown } };
    const neverSent = cause?.code === "ECONNREFUSED" || cause?.code === "ENOENT";
    return neverSent ? "fail" : "unknown";
  }
}

/** A key that several clients use at once. */
interface Register {
  readonly key: string;
  readonly history: Operation[];
  lost: number;
}

interface Seen {
  readonly value: Value;
  /** ModifyIndex; 0: no such key. */
  readonly index: number;
}

export class Keys {
  readonly tally: Tally;
  readonly registers: Register[] = [];
  /** Key → value, each put once, and answered. */
  readonly acknowledged = new Map<string, string>();
  /** ModifyIndex → value of a key; what breaks that is told here. */
  readonly twoOfOneIndex: string[] = [];
  readonly #active: Register[] = [];
  readonly #indexes = new Map<string, Value>();
  #values = 0;
  #ending = false;

  constructor(tally: Tally, registers: number) {
    this.tally = tally;
    for (let index = 0; index < registers; index++) this.#active.push(this.#newRegister());
  }

  end(): void {
    this.#ending = true;
  }

  async client(api: ApiClient, random: Random): Promise<void> {
    const seen = new Map<Register, Seen>();
    while (!this.#ending) {
      const at = random(this.#active.length);
      const register = this.#active[at];
      if (!register) throw new Error("there are registers");
      if (register.lost >= lostMax || register.history.length >= operationsMax) {
        this.#active[at] = this.#newRegister();
        continue;
      }
      const kind = pick(random, ["get", "get", "get", "put", "put", "cas", "cas", "cas", "delete", "log"]);
      const invokedMs = nowMs();
      const outcome = await this.#do(kind, api, register, seen);
      this.tally.add(kind, outcome, invokedMs);
      await wait(outcome === "ok" ? 10 + random(60) : 100 + random(200));
    }
  }

  /** A last read of every register, in its history; and which acknowledged values are missing. */
  async readAll(api: ApiClient): Promise<readonly string[]> {
    for (const register of this.registers)
      if ((await this.#get(api, register, new Map())) !== "ok")
        throw new Error(`read ${register.key}: no answer`);
    const missing: string[] = [];
    for (const [key, value] of this.acknowledged) {
      const found = (await api.kvGet(key))?.toString();
      if (found !== value) missing.push(`${key} is ${found ?? "gone"}, not ${value}`);
    }
    return missing;
  }

  #do(kind: string, api: ApiClient, register: Register, seen: Map<Register, Seen>): Promise<Outcome> {
    if (kind === "get") return this.#get(api, register, seen);
    if (kind === "put") return this.#write(api, register, this.#newValue());
    if (kind === "delete") return this.#write(api, register, undefined);
    if (kind === "log") return this.#log(api);
    const before = seen.get(register);
    return before ? this.#cas(api, register, before) : this.#get(api, register, seen);
  }

  async #get(api: ApiClient, register: Register, seen: Map<Register, Seen>): Promise<Outcome> {
    const invokedMs = performance.now();
    const answer = await attempt(() => api.exchange("GET", `/v1/kv/${register.key}?consistent`));
    // A read without an answer says nothing.
    if (typeof answer === "string" || (answer.status !== 200 && answer.status !== 404)) return "fail";
    const [entry] =
      answer.status === 404
        ? []
        : (JSON.parse(answer.body.toString()) as { Value: string; ModifyIndex: number }[]);
    const value = entry && Buffer.from(entry.Value, "base64").toString();
    register.history.push({ kind: "read", value, invokedMs, returnedMs: performance.now() });
    seen.set(register, { value, index: entry?.ModifyIndex ?? 0 });
    if (entry) {
      const name = `${register.key}@${entry.ModifyIndex}`;
      const other = this.#indexes.get(name) ?? value;
      if (other !== value) this.twoOfOneIndex.push(`${name} was ${other} and ${value}`);
      this.#indexes.set(name, value);
    }
    return "ok";
  }

  async #write(api: ApiClient, register: Register, value: Value): Promise<Outcome> {
    const invokedMs = performance.now();
    const [method, body] = value === undefined ? (["DELETE", undefined] as const) : (["PUT", value] as const);
    const answer = await attempt(() => api.exchange(method, `/v1/kv/${register.key}`, body));
    if (answer === "fail" || (answer !== "unknown" && answer.status !== 200)) return "fail";
    const returnedMs = answer === "unknown" ? undefined : performance.now();
    register.history.push({ kind: "write", value, invokedMs, returnedMs });
    return settled(register, returnedMs);
  }

  async #cas(api: ApiClient, register: Register, { value: expected, index }: Seen): Promise<Outcome> {
    const value = this.#newValue();
    const invokedMs = performance.now();
    const answer = await attempt(() => api.exchange("PUT", `/v1/kv/${register.key}?cas=${index}`, value));
    if (answer === "fail" || (answer !== "unknown" && answer.status !== 200)) return "fail";
    const returnedMs = answer === "unknown" ? undefined : performance.now();
    const swapped = answer === "unknown" ? undefined : answer.body.toString() === "true";
    register.history.push({ kind: "cas", expected, value, swapped, invokedMs, returnedMs });
    return settled(register, returnedMs);
  }

  /** A key of its own: what was acknowledged can be looked for without any theory. */
  async #log(api: ApiClient): Promise<Outcome> {
    const value = this.#newValue();
    const key = `log/${value}`;
    const answer = await attempt(() => api.exchange("PUT", `/v1/kv/${key}`, value));
    if (typeof answer === "string") return answer;
    if (answer.status !== 200) return "fail";
    this.acknowledged.set(key, value);
    return "ok";
  }

  #newRegister(): Register {
    const register: Register = { key: `register/${this.registers.length}`, history: [], lost: 0 };
    this.registers.push(register);
    return register;
  }

  #newValue(): string {
    return `v${++this.#values}`;
  }
}

function settled(register: Register, returnedMs: number | undefined): Outcome {
  if (returnedMs === undefined) register.lost++;
  return returnedMs === undefined ? "unknown" : "ok";
}

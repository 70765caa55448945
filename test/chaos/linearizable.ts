/**
 * Is there an order of the operations on one register that explains every answer, in which each took effect between
 * its call and its return? Wing & Gong, "Testing and Verifying Concurrent Objects" (1993), searched forward in time as
 * in Lowe, "Testing for linearizability" (2017): after each return, all states the register may be in, with the pending
 * operations that took effect already, each such pair once. Linearizability is local (Herlihy & Wing 1990), so a key/value
 * store is checked key by key.
 *
 * An operation whose answer was lost may have taken effect at any time since its call, or never: it stays pending for ever,
 * and each such one may double the search. `configurationsMax` bounds it; beyond, the answer is "undecided".
 */

/** What the register holds; undefined: nothing. */
export type Value = string | undefined;

export type Operation = { readonly invokedMs: number } & (
  | { readonly kind: "read"; readonly value: Value; readonly returnedMs: number }
  | { readonly kind: "write"; readonly value: Value; readonly returnedMs: number | undefined }
  | {
      readonly kind: "cas";
      readonly expected: Value;
      readonly value: Value;
      /** Undefined with `returnedMs`: the answer was lost. */
      readonly swapped: boolean | undefined;
      readonly returnedMs: number | undefined;
    }
);

export type Judgement =
  | { readonly kind: "linearizable" }
  | { readonly kind: "undecided"; readonly configurations: number }
  /** `operation` is the first by return whose answer nothing explains; until then the register held one of `possible`. */
  | { readonly kind: "broken"; readonly operation: Operation; readonly possible: readonly Value[] };

interface Configuration {
  readonly value: Value;
  /** Pending operations that took effect already, sorted. */
  readonly done: readonly number[];
}

interface Event {
  readonly atMs: number;
  readonly kind: "call" | "return";
  readonly id: number;
}

export function judge(
  history: readonly Operation[],
  {
    initial,
    configurationsMax = 200_000,
  }: { readonly initial?: Value; readonly configurationsMax?: number } = {},
): Judgement {
  const pending = new Map<number, Operation>();
  let configurations: readonly Configuration[] = [{ value: initial, done: [] }];
  for (const { kind, id } of eventsOf(history)) {
    const operation = history[id];
    if (!operation) continue;
    if (kind === "call") {
      pending.set(id, operation);
      continue;
    }
    const found = search(configurations, pending, id, configurationsMax);
    if (found === undefined) return { kind: "undecided", configurations: configurationsMax };
    if (found.kept.length === 0) return { kind: "broken", operation, possible: [...found.values] };
    pending.delete(id);
    configurations = found.kept;
  }
  return { kind: "linearizable" };
}

/** Calls come before returns of the same time: what may have been concurrent was. */
function eventsOf(history: readonly Operation[]): readonly Event[] {
  const events = history.flatMap(({ invokedMs, returnedMs }, id): readonly Event[] => [
    { atMs: invokedMs, kind: "call", id },
    ...(returnedMs === undefined ? [] : [{ atMs: returnedMs, kind: "return", id } as const]),
  ]);
  return events.toSorted((a, b) => a.atMs - b.atMs || (a.kind === b.kind ? 0 : a.kind === "call" ? -1 : 1));
}

interface Found {
  /** Everything that may be true once the returning operation has taken effect. */
  readonly kept: readonly Configuration[];
  /** What the register may have held until then. */
  readonly values: ReadonlySet<Value>;
}

/** Undefined: too much. */
function search(
  from: readonly Configuration[],
  pending: ReadonlyMap<number, Operation>,
  returning: number,
  max: number,
): Found | undefined {
  const values = new Set<Value>();
  const seen = new Set<string>();
  const found = new Map<string, Configuration>();
  const open = [...from];
  for (let next = open.pop(); next; next = open.pop()) {
    if (next.done.includes(returning)) {
      const rest = { value: next.value, done: next.done.filter((id) => id !== returning) };
      found.set(keyOf(rest), rest);
      continue;
    }
    const key = keyOf(next);
    if (seen.has(key)) continue;
    seen.add(key);
    values.add(next.value);
    if (seen.size + found.size > max) return undefined;
    for (const [id, operation] of pending) {
      if (next.done.includes(id)) continue;
      const effect = effectOf(operation, next.value);
      if (effect) open.push({ value: effect.value, done: [...next.done, id].toSorted((a, b) => a - b) });
    }
  }
  return { kept: [...found.values()], values };
}

/** What the register holds afterwards; undefined: it cannot take effect now. */
function effectOf(operation: Operation, value: Value): { readonly value: Value } | undefined {
  switch (operation.kind) {
    case "read":
      return operation.value === value ? { value } : undefined;
    case "write":
      return { value: operation.value };
    case "cas": {
      const matches = operation.expected === value;
      // A lost one that finds another value is as one that never came.
      if (operation.swapped === undefined) return matches ? { value: operation.value } : undefined;
      if (operation.swapped !== matches) return undefined;
      return { value: matches ? operation.value : value };
    }
    default:
      return operation satisfies never;
  }
}

function keyOf({ value, done }: Configuration): string {
  return JSON.stringify([value ?? null, done]);
}

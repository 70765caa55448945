/** What readers are told, applied to what they knew, is what the registry answers: random histories, every kind. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { systemClock } from "../../clock/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { catalogWrite, nodeNames, serviceNames } from "../../test/fixtures/random-catalog.ts";
import { kvKey, liveKey, nodeKey } from "../keys.ts";
import { encodeKv } from "../kv/kv-codec.ts";
import type { RegistryReads } from "../reads.ts";
import { Registry } from "../registry.ts";
import { transaction } from "../transaction.ts";
import { type Change, type ChangeSubject, changePath } from "./change.ts";

/** All that readers can follow, as the registry answers it. */
function everything(registry: RegistryReads): Map<string, string> {
  const all = new Map<string, string>();
  const add = (path: string, subject: ChangeSubject) => all.set(path, print(subject));
  for (const entry of registry.kvList("")) add(changePath.kv(entry.key), { kind: "kv", entry });
  for (const node of registry.nodes())
    add(changePath.nodes(node.name), { kind: "node", node, alive: registry.isLive(node.name) });
  for (const check of registry.checksInState("any"))
    add(changePath.check(check.node, check.id), { kind: "check", check });
  for (const instance of serviceNames.flatMap((name) => registry.service(name))) {
    const { node, service } = instance;
    add(changePath.instance(service.name, node.name, service.id), { kind: "instance", instance });
  }
  return all;
}

function print(subject: ChangeSubject): string {
  return JSON.stringify(subject, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
}

function apply(known: Map<string, string>, { path, action, subject }: Change): void {
  const isGone = action === "delete" || (action === "expire" && subject.kind === "kv");
  expect(known.has(path), `${action} ${path}`).toBe(action !== "add");
  if (isGone) known.delete(path);
  else known.set(path, print(subject));
}

const kvWrite = fc
  .tuple(fc.constantFrom("a", "a/b", "c"), fc.option(fc.constantFrom("x", "y"), { nil: undefined }))
  .map(([key, text]) =>
    text === undefined
      ? ({ op: "delete", key: kvKey(key) } as const)
      : ({
          op: "put",
          key: kvKey(key),
          value: encodeKv({ value: Buffer.from(text), flags: 1n, lockIndex: 0 }),
        } as const),
  );

describe("changes", () => {
  it("lead from what was to what is, each action as it was", async () => {
    const writes = fc.array(
      fc.array(fc.oneof({ weight: 3, arbitrary: catalogWrite }, kvWrite), { maxLength: 4 }),
      {
        maxLength: 30,
      },
    );
    await fc.assert(
      fc.asyncProperty(writes, async (history) => {
        const store = new MemoryStore();
        const registry = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
        const cursor = registry.changesAfter("", { revision: registry.index });
        const known = everything(registry);
        for (const operations of history) {
          const { revision } = await store.txn(transaction([], operations));
          await registry.applied(revision);
          for (let batch = cursor.take(); batch; batch = cursor.take()) {
            expect(batch.changes.map(({ path }) => path)).toEqual(
              batch.changes.map(({ path }) => path).toSorted(),
            );
            for (const change of batch.changes) apply(known, change);
          }
          expect(new Map([...known].toSorted())).toEqual(new Map([...everything(registry)].toSorted()));
        }
        await registry.close();
      }),
    );
  });

  it("tell that a node is no longer alive", async () => {
    const store = new MemoryStore();
    const registry = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
    const [name] = nodeNames;
    const written = async (promise: Promise<{ readonly revision: number }>) =>
      registry.applied((await promise).revision);
    const [put] = fc.sample(
      catalogWrite.filter(
        ({ op, ...write }) => op === "put" && "key" in write && write.key === nodeKey(name),
      ),
      1,
    );
    if (!put) return;
    await written(store.txn(transaction([], [put])));
    const cursor = registry.changesAfter(changePath.nodes(name), { revision: registry.index });
    const { id } = await store.grantLease(20);
    const live = { op: "put" as const, key: liveKey(name), value: new Uint8Array(0), lease: id };
    await written(store.txn(transaction([], [live])));
    expect(cursor.take()?.changes.map(({ action }) => action)).toEqual(["modify"]);
    cursor.take();
    await cursor.wait(AbortSignal.timeout(5000));
    expect(cursor.take()?.changes.map(({ action }) => action)).toEqual(["expire"]);
    await registry.close();
  });
});

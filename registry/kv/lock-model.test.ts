/** Locks, sessions and transactions against models in a few lines, by random histories. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { systemClock } from "../../clock/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { planNode } from "../catalog/plan-node.ts";
import type { SessionBehavior } from "../model.ts";
import { Registry } from "../registry.ts";
import { RegistryWriter } from "../registry-writer.ts";
import type { KvOperation } from "../txn/txn-model.ts";

interface ModelKey {
  readonly value: string;
  readonly lockIndex: number;
  readonly session?: string;
}

const keys = fc.constantFrom("a", "a/b", "c");
const value = fc.constantFrom("1", "2");
/** Which of the sessions that were made so far. */
const which = fc.nat(2);

async function open() {
  const store = new MemoryStore();
  const registry = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
  const writer = new RegistryWriter({ store, registry, clock: systemClock });
  const node = { name: "n1", id: "", address: "192.0.2.1", datacenter: "dc1", meta: {}, taggedAddresses: {} };
  await writer.upsertNode(planNode(node));
  const newSession = (behavior: SessionBehavior) =>
    writer.createSession({
      node: "n1",
      name: "",
      behavior,
      lockDelayMs: 0,
      ttl: "",
      ttlMs: 0,
      nodeChecks: [],
      serviceChecks: [],
    });
  return { registry, writer, newSession };
}

function shown(registry: Registry) {
  return registry
    .kvList("")
    .map(({ key, value: bytes, lockIndex, session }) => [
      key,
      { value: Buffer.from(bytes).toString(), lockIndex, ...(session !== undefined && { session }) },
    ]);
}

test("who holds which key agrees with the model after every step", async () => {
  const command = fc.oneof(
    fc.record({ kind: fc.constantFrom("acquire", "release"), key: keys, which, value }),
    fc.record({ kind: fc.constantFrom("put", "delete"), key: keys, which, value }),
    fc.record({ kind: fc.constantFrom("end", "create"), key: keys, which, value }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 40, size: "max" }), async (history) => {
      const { registry, writer, newSession } = await open();
      const sessions: { id: string; behavior: SessionBehavior; isLive: boolean }[] = [];
      for (const behavior of ["release", "delete"] as const)
        sessions.push({ id: await newSession(behavior), behavior, isLive: true });
      const model = new Map<string, ModelKey>();
      for (const { kind, key, which: at, value: text } of history) {
        const held = model.get(key);
        const session = sessions[at];
        const bytes = Buffer.from(text);
        if (kind === "create" && sessions.length < 3) {
          const behavior = text === "1" ? "release" : "delete";
          sessions.push({ id: await newSession(behavior), behavior, isLive: true });
        } else if (kind === "put") {
          await writer.kvPut(key, bytes);
          model.set(key, { lockIndex: 0, ...held, value: text });
        } else if (kind === "delete") {
          await writer.kvDelete(key);
          model.delete(key);
        } else if (kind === "acquire" && session?.isLive) {
          const { succeeded } = await writer.kvPut(key, bytes, { acquire: session.id });
          expect(succeeded).toBe(held?.session === undefined || held.session === session.id);
          const lockIndex = (held?.lockIndex ?? 0) + (held?.session === undefined ? 1 : 0);
          if (succeeded) model.set(key, { value: text, lockIndex, session: session.id });
        } else if (kind === "acquire" && session) {
          await expect(writer.kvPut(key, bytes, { acquire: session.id })).rejects.toMatchObject({
            code: "REGISTRY_SESSION_INVALID",
          });
        } else if (kind === "release" && session) {
          const { succeeded } = await writer.kvPut(key, bytes, { release: session.id });
          expect(succeeded).toBe(held?.session === session.id);
          if (succeeded) model.set(key, { value: text, lockIndex: held?.lockIndex ?? 0 });
        } else if (kind === "end" && session?.isLive) {
          await writer.endSession(session.id);
          session.isLive = false;
          for (const [name, { session: holder, ...rest }] of model) {
            if (holder !== session.id) continue;
            if (session.behavior === "delete") model.delete(name);
            else model.set(name, rest);
          }
        }
        expect(shown(registry)).toEqual([...model].sort(([a], [b]) => (a < b ? -1 : 1)));
      }
      expect(registry.sessions().map(({ id }) => id)).toEqual(
        sessions.filter(({ isLive }) => isLive).map(({ id }) => id),
      );
      await registry.close();
    }),
    { numRuns: 150 },
  );
});

test("a transaction that is through leaves what its writes leave one by one; one that is refused leaves nothing", async () => {
  const operation = fc.record({
    kind: fc.constant("kv" as const),
    verb: fc.constantFrom<KvOperation["verb"]>(
      "set",
      "delete",
      "delete-tree",
      "cas",
      "delete-cas",
      "get",
      "get-or-empty",
      "get-tree",
      "check-not-exists",
    ),
    key: keys,
    value: value.map((text) => Buffer.from(text)),
    flags: fc.constant(0n),
    index: fc.constant(0),
    session: fc.constant(""),
  });
  const setUp = fc.array(fc.tuple(keys, value), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(setUp, fc.array(operation, { maxLength: 8 }), async (before, operations) => {
      const [whole, single] = [await open(), await open()];
      for (const [key, text] of before)
        for (const { writer } of [whole, single]) await writer.kvPut(key, Buffer.from(text));
      const untouched = shown(whole.registry);
      const { errors } = await whole.writer.txn(operations);
      if (errors.length > 0) expect(shown(whole.registry)).toEqual(untouched);
      else {
        for (const one of operations) expect((await single.writer.txn([one])).errors).toEqual([]);
        expect(shown(whole.registry)).toEqual(shown(single.registry));
      }
      await Promise.all([whole.registry.close(), single.registry.close()]);
    }),
    { numRuns: 200 },
  );
});

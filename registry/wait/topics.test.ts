/** A topic moves whenever an answer built from it changes: random histories, every topic, every step. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { systemClock } from "../../clock/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { catalogWrite, ips, nodeNames, serviceNames } from "../../test/fixtures/random-catalog.ts";
import type { RegistryReads } from "../reads.ts";
import { Registry } from "../registry.ts";
import { RegistryState } from "../registry-state.ts";
import { transaction } from "../transaction.ts";
import type { Topic } from "./topic.ts";

const answers: readonly (readonly [Topic, (registry: RegistryReads) => unknown])[] = [
  [{ kind: "nodes" }, (registry) => registry.nodes()],
  [{ kind: "services" }, (registry) => [...registry.serviceNames()]],
  [
    { kind: "instances" },
    (registry) =>
      serviceNames.map((name) => registry.service(name).map(({ node, service }) => ({ node, service }))),
  ],
  ...serviceNames.flatMap((name): (readonly [Topic, (registry: RegistryReads) => unknown])[] => [
    [{ kind: "service", name }, (registry) => registry.service(name)],
    [{ kind: "serviceChecks", service: name }, (registry) => registry.checksOfService(name)],
    [{ kind: "connect", name }, (registry) => registry.connect(name)],
  ]),
  ...nodeNames.flatMap((name): (readonly [Topic, (registry: RegistryReads) => unknown])[] => [
    [
      { kind: "node", name },
      (registry) => [
        registry.node(name),
        registry.node(name) && registry.servicesOfNode(name),
        registry.checksOfNode(name),
      ],
    ],
    [{ kind: "nodeChecks", node: name }, (registry) => registry.checksOfNode(name)],
    [{ kind: "nodeCoordinates", node: name }, (registry) => registry.coordinatesOfNode(name)],
  ]),
  ...(["any", "passing", "warning", "critical"] as const).map(
    (state): readonly [Topic, (registry: RegistryReads) => unknown] => [
      { kind: "checks", state },
      (registry) => registry.checksInState(state),
    ],
  ),
  ...ips.map((ip): readonly [Topic, (registry: RegistryReads) => unknown] => [
    { kind: "address", ip },
    (registry) => registry.atAddress(ip),
  ]),
];

test("a changed answer means a moved topic, and a reload answers the same", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(catalogWrite, { maxLength: 40 }), async (history) => {
      const store = new MemoryStore();
      const registry = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
      let before = answers.map(([topic, answer]) => ({
        answer: answer(registry),
        index: registry.indexOf(topic),
      }));
      for (const write of history) {
        const { revision, results } = await store.txn(transaction([], [write]));
        const [result] = results;
        if (result && "deleted" in result && result.deleted === 0) continue;
        await registry.applied(revision);
        const after = answers.map(([topic, answer]) => ({
          answer: answer(registry),
          index: registry.indexOf(topic),
        }));
        for (const [at, [topic]] of answers.entries()) {
          const was = before[at];
          const is = after[at];
          if (!was || !is) continue;
          expect(is.index).toBeGreaterThanOrEqual(was.index);
          if (JSON.stringify(is.answer) !== JSON.stringify(was.answer))
            expect(
              is.index,
              `${JSON.stringify(topic)} after ${write.op} ${"key" in write ? write.key : ""}`,
            ).toBe(revision);
        }
        before = after;
      }
      const later = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
      const withoutIndexes = (value: unknown) =>
        JSON.stringify(value, (key, inner: unknown) => (key === "modifyIndex" ? undefined : inner));
      for (const [topic, answer] of answers)
        expect(withoutIndexes(answer(later)), JSON.stringify(topic)).toBe(withoutIndexes(answer(registry)));
      await Promise.all([registry.close(), later.close()]);
    }),
    { numRuns: 300 },
  );
});

test("an event that is older than what is held changes nothing", () => {
  const state = new RegistryState();
  const item = (modRevision: number, text: string) => ({
    key: "kv/k",
    value: new Uint8Array([1, ...new Array(17).fill(0), ...Buffer.from(text)]),
    createRevision: 2,
    modRevision,
    version: 1,
  });
  state.put(item(9, "new"));
  state.put(item(5, "old"));
  state.delete("kv/k", 7);
  expect(Buffer.from(state.kv.get("k")?.value ?? []).toString()).toBe("new");
  state.delete("kv/k", 10);
  expect(state.kv.get("k")).toBeUndefined();
});

/** Discovery against looking at every instance, and topics that move with every answer. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseIp } from "../../addr/index.ts";
import { systemClock } from "../../clock/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { service } from "../../test/control/fabric.ts";
import { defaultAgentLimits } from "../agent/definition.ts";
import { planService } from "../catalog/plan-registration.ts";
import { Registry } from "../registry.ts";
import { RegistryWriter } from "../registry-writer.ts";
import { isResourcePath, providesMeta, readProvides } from "./resource-paths.ts";

async function open() {
  const store = new MemoryStore();
  const registry = await Registry.open({ store, clock: systemClock, datacenter: "dc1" });
  const writer = new RegistryWriter({ store, registry, clock: systemClock });
  const node = {
    name: "n1",
    id: "i",
    address: parseIp("192.0.2.1"),
    datacenter: "dc1",
    meta: {},
    taggedAddresses: {},
  };
  await writer.upsertNode(node);
  return { registry, writer };
}

const path = fc
  .array(fc.constantFrom("a", "b", "1", "10"), { minLength: 1, maxLength: 3 })
  .map((segments) => `/${segments.join("/")}`);
const paths = fc.array(path, { maxLength: 3 });

describe("discovery", () => {
  it("finds exactly the instances of which each need is a prefix of a path, by segment", async () => {
    const step = fc.record({
      id: fc.constantFrom("s1", "s2", "s3"),
      provides: fc.option(paths, { nil: undefined }),
    });
    const needs = fc.array(fc.array(path, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), needs, async (steps, asked) => {
        const { registry, writer } = await open();
        const model = new Map<string, readonly string[]>();
        for (const { id, provides } of steps) {
          const before = asked.map((need) => registry.providersOf(need).map((one) => one.service));
          const topics = asked.map((need) => need.map((each) => ({ kind: "resource", path: each }) as const));
          const indexes = topics.map((each) => each.map((topic) => registry.indexOf(topic)));
          if (provides) {
            await writer.registerService(service("n1", id, { meta: { [providesMeta]: provides.join(" ") } }));
            model.set(id, provides);
          } else {
            await writer.deregisterService("n1", id);
            model.delete(id);
          }
          for (const [at, need] of asked.entries()) {
            const expected = [...model].filter(([, provided]) =>
              need.every((one) => provided.some((each) => `${each}/`.startsWith(`${one}/`))),
            );
            const found = registry.providersOf(need).map((one) => one.service);
            expect(found.map((one) => one.id)).toEqual(expected.map(([name]) => name).toSorted());
            if (JSON.stringify(found) === JSON.stringify(before[at])) continue;
            // Whoever waits for any of the needs is told.
            for (const [which, topic] of (topics[at] ?? []).entries())
              expect(registry.indexOf(topic)).toBeGreaterThan(indexes[at]?.[which] ?? 0);
          }
        }
        await registry.close();
      }),
      { numRuns: 60 },
    );
  });
});

describe("paths", () => {
  it.each(["/a", "/cluster/1", "/a.b/c-d/ü"])("%s is one", (text) => expect(isResourcePath(text)).toBe(true));
  it.each(["", "/", "a", "/a/", "//a", "/a//b", "/a b", `/${"a/".repeat(16)}b`, `/${"x".repeat(255)}`])(
    "%j is none",
    (text) => expect(isResourcePath(text)).toBe(false),
  );

  it("are refused in words at registration", () => {
    const meta = { [providesMeta]: "/a nonsense" };
    expect(() => planService("n1", { name: "web", meta }, defaultAgentLimits)).toThrow(
      expect.objectContaining({ code: "REGISTRY_INVALID", message: expect.stringContaining("nonsense") }),
    );
    expect(readProvides("  /a\t/b /a ")).toEqual(["/a", "/b"]);
  });
});

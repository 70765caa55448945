/** The laws of a stable part. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { stableSubset } from "./stable-subset.ts";

const items = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 60 });
const same = (item: string) => item;

test("it has the asked size, in the order given, and is the same for the same client in whatever order", () => {
  fc.assert(
    fc.property(items, fc.nat(70), fc.string(), (all, count, client) => {
      const part = stableSubset(all, count, client, same);
      expect(part).toHaveLength(count === 0 ? all.length : Math.min(count, all.length));
      expect(part).toEqual(all.filter((item) => part.includes(item)));
      expect(stableSubset(all.toReversed(), count, client, same).toSorted()).toEqual(part.toSorted());
    }),
  );
});

test("one that comes or goes changes at most one place", () => {
  fc.assert(
    fc.property(items, fc.integer({ min: 1, max: 20 }), fc.string(), fc.nat(), (all, count, client, pick) => {
      const gone = all[pick % all.length];
      const before = stableSubset(all, count, client, same);
      const after = stableSubset(
        all.filter((item) => item !== gone),
        count,
        client,
        same,
      );
      expect(before.filter((item) => !after.includes(item))).toEqual(before.filter((item) => item === gone));
      expect(after.filter((item) => !before.includes(item)).length).toBeLessThanOrEqual(
        before.includes(gone ?? "") ? 1 : 0,
      );
    }),
  );
});

test("many clients together use all, each about as often as any other", () => {
  const all = Array.from({ length: 20 }, (_, i) => `node-${i}/web`);
  const uses = new Map(all.map((item) => [item, 0]));
  for (let client = 0; client < 2000; client++)
    for (const item of stableSubset(all, 4, `10.0.${client >> 8}.${client & 255}`, same))
      uses.set(item, (uses.get(item) ?? 0) + 1);
  for (const count of uses.values()) {
    expect(count).toBeGreaterThan(300);
    expect(count).toBeLessThan(500);
  }
});

import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it, test, vi } from "vitest";
import { ViewMirror } from "../../agent/view-mirror.ts";
import { controlServerLimits } from "../../limits.ts";
import { ServerMessageSchema, type ViewUpdate } from "../../proto/gen/fabric_pb.ts";
import { SharedView } from "./shared-view.ts";

function updates(parts: readonly Uint8Array[]): ViewUpdate[] {
  return parts.map((bytes) => {
    const { kind } = fromBinary(ServerMessageSchema, bytes.subarray(5));
    expect(kind.case).toBe("view");
    return kind.value as ViewUpdate;
  });
}

function contentOf(mirror: ViewMirror): Record<string, unknown> {
  return Object.fromEntries([...mirror.items].sort());
}

const key = fc.constantFrom("a", "b", "c", "d", "e");
const step = fc.oneof(
  fc.record({ kind: fc.constant("put" as const), key, value: fc.nat(3) }),
  fc.record({ kind: fc.constant("delete" as const), key }),
  fc.record({ kind: fc.constant("load" as const), keys: fc.uniqueArray(key), value: fc.nat(3) }),
  fc.record({ kind: fc.constant("send" as const), to: fc.nat(1) }),
  fc.record({ kind: fc.constant("lose" as const), to: fc.nat(1) }),
  fc.record({ kind: fc.constant("replace" as const), to: fc.nat(1) }),
);

describe("a view and its mirrors", () => {
  it("are equal after each update, whatever was missed, and mirrors never go back", () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 60 }),
        fc.integer({ min: 1, max: 5 }),
        (steps, historyChangesMax) => {
          const limits = { ...controlServerLimits, historyChangesMax, viewPartBytes: 12 };
          const view = new SharedView("v", limits);
          const mirrors = [new ViewMirror(), new ViewMirror()];
          const positions: (number | undefined)[] = mirrors.map(() => undefined);
          const content: Record<string, unknown> = {};
          let revision = 0;
          for (const each of steps) {
            revision += 1;
            switch (each.kind) {
              case "put":
                content[each.key] = each.value;
                view.change(revision, new Map([[each.key, JSON.stringify(each.value)]]), []);
                break;
              case "delete":
                delete content[each.key];
                view.change(revision, new Map(), [each.key]);
                break;
              case "load":
                for (const known of Object.keys(content)) delete content[known];
                for (const loaded of each.keys) content[loaded] = each.value;
                view.load(revision, new Map(each.keys.map((loaded) => [loaded, JSON.stringify(each.value)])));
                break;
              case "send":
              case "lose":
              case "replace": {
                const mirror = mirrors[each.to] as ViewMirror;
                if (each.kind === "replace") mirrors[each.to] = new ViewMirror();
                if (each.kind !== "send") {
                  const asking = mirrors[each.to] as ViewMirror;
                  asking.forgetStaged();
                  positions[each.to] = view.locate(asking.revision, asking.digest);
                  break;
                }
                const before = mirror.revision;
                const parts = updates(view.updateFrom(positions[each.to]));
                parts.forEach((update, index) => {
                  expect(mirror.receive(update).kind).toBe(index === parts.length - 1 ? "applied" : "staged");
                });
                positions[each.to] = view.position;
                expect(contentOf(mirror)).toEqual(Object.fromEntries(Object.entries(content).sort()));
                expect(mirror.revision).toBeGreaterThanOrEqual(before);
                break;
              }
              default:
                each satisfies never;
            }
          }
        },
      ),
    );
  });

  it("agree on the digest, and an agent with the same content is confirmed", () => {
    const view = new SharedView("v", controlServerLimits);
    view.load(7, new Map([["a", "1"]]));
    const mirror = new ViewMirror();
    mirror.restore(3, new Map([["a", "1"]]));
    expect(view.locate(mirror.revision, mirror.digest)).toBe(view.position);
    const [unchanged] = updates(view.unchanged());
    expect(mirror.receive(unchanged as ViewUpdate).kind).toBe("applied");
    expect(mirror.revision).toBe(7);
  });

  it("that one missed are told apart: a delta within the history, a snapshot beyond", () => {
    const view = new SharedView("v", { ...controlServerLimits, historyChangesMax: 2 });
    view.load(1, new Map([["a", "0"]]));
    const kinds = [0, 1, 2, 3].map((behind) => {
      const from = view.position;
      for (let n = 0; n < behind; n += 1) view.change(10 + n, new Map([["a", `${behind}${n}`]]), []);
      return updates(view.updateFrom(from)).map((update) => update.body.case);
    });
    expect(kinds).toEqual([["delta"], ["delta"], ["delta"], ["snapshot"]]);
  });

  it("never go back, also when a revision came that changed nothing", () => {
    const view = new SharedView("v", controlServerLimits);
    const from = view.position;
    view.change(1, new Map([["a", "1"]]), []);
    view.updateFrom(from);
    view.change(9, new Map([["a", "1"]]), []);
    expect(updates(view.updateFrom(from)).map(({ revision }) => revision)).toEqual([9n]);
  });

  it("are encoded once for all subscribers", () => {
    const view = new SharedView("v", controlServerLimits);
    const from = view.position;
    view.change(1, new Map([["a", "1"]]), []);
    expect(view.updateFrom(from)).toBe(view.updateFrom(from));
  });
});

describe("a mirror", () => {
  const view = new SharedView("v", controlServerLimits);
  view.load(
    5,
    new Map([
      ["a", "1"],
      ["b", "2"],
    ]),
  );
  const [snapshot] = updates(view.updateFrom(undefined)) as [ViewUpdate];

  it("takes nothing of an update whose digest does not fit", () => {
    const mirror = new ViewMirror();
    mirror.restore(1, new Map([["z", "9"]]));
    expect(mirror.receive({ ...snapshot, digest: snapshot.digest + 1n }).kind).toBe("diverged");
    expect(contentOf(mirror)).toEqual({ z: 9 });
    expect(mirror.receive(snapshot).kind).toBe("applied");
    expect(contentOf(mirror)).toEqual({ a: 1, b: 2 });
  });

  it("takes nothing of an update that is not JSON", () => {
    const broken = new SharedView("v", controlServerLimits);
    broken.load(
      5,
      new Map([
        ["a", "1"],
        ["b", "{"],
      ]),
    );
    const mirror = new ViewMirror();
    const [update] = updates(broken.updateFrom(undefined)) as [ViewUpdate];
    expect(mirror.receive(update).kind).toBe("diverged");
    expect(mirror.items.size).toBe(0);
  });
});

test("thousands of listeners are told in slices, once for all that changed meanwhile", async () => {
  const view = new SharedView("v", controlServerLimits);
  const seen = Array.from({ length: 1000 }, () => [] as number[]);
  for (const positions of seen) view.onChange(() => positions.push(view.position));
  view.change(1, new Map([["a", "1"]]), []);
  expect(seen.some((positions) => positions.length === 0)).toBe(true);
  for (let revision = 2; revision < 6; revision++) view.change(revision, new Map([["a", `${revision}`]]), []);
  await vi.waitFor(() => expect(seen.every((positions) => positions.at(-1) === 5)).toBe(true));
  expect(Math.max(...seen.map((positions) => positions.length))).toBe(2);
});

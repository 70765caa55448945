import { expect, test } from "vitest";
import { ManualClock } from "../../../clock/index.ts";
import { controlServerLimits } from "../../limits.ts";
import { ViewHub } from "./view-hub.ts";
import type { ViewSource } from "./view-source.ts";

function fixture(limits: { readonly viewsOpenMax: number; readonly viewsLingeringMax: number }) {
  const clock = new ManualClock();
  const open = new Set<string>();
  const source: ViewSource = {
    prefix: "service/",
    open: async (rest) => {
      open.add(rest);
      return { caughtUp: async () => undefined, close: () => void open.delete(rest) };
    },
  };
  const hub = new ViewHub([source], clock, { ...controlServerLimits, ...limits });
  return { clock, hub, open };
}

const code = (expected: string) => expect.objectContaining({ code: expected });

test("a view that nobody uses any more lingers, and is taken up again with its history", async () => {
  const { hub, clock, open } = fixture({ viewsOpenMax: 10, viewsLingeringMax: 10 });
  const { view } = await hub.acquire("service/web");
  hub.release("service/web");
  await clock.advance(controlServerLimits.viewLingerMs - 1);
  expect((await hub.acquire("service/web")).view).toBe(view);
  await clock.advance(controlServerLimits.viewLingerMs);
  expect([...open]).toEqual(["web"]);
  hub.release("service/web");
  await clock.advance(controlServerLimits.viewLingerMs);
  expect([hub.size, open.size]).toEqual([0, 0]);
});

test("a flood of names that each is asked for once leaves no more than may linger", async () => {
  const { hub, open } = fixture({ viewsOpenMax: 100_000, viewsLingeringMax: 8 });
  await hub.acquire("service/web");
  for (let n = 0; n < 1000; n++) {
    await hub.acquire(`service/random-${n}`);
    hub.release(`service/random-${n}`);
  }
  await Promise.resolve();
  expect([hub.size, open.size]).toEqual([9, 9]);
  expect(open).toContain("web");
});

test("views that linger never keep anybody from opening another one; views in use do", async () => {
  const { hub } = fixture({ viewsOpenMax: 2, viewsLingeringMax: 2 });
  await hub.acquire("service/a");
  await hub.acquire("service/b");
  await expect(hub.acquire("service/c")).rejects.toThrow(code("CONTROL_LIMIT"));
  hub.release("service/b");
  await hub.acquire("service/c");
  expect(hub.size).toBe(2);
  hub.close();
  expect(hub.size).toBe(0);
});

import { expect, it } from "vitest";
import { Patience } from "./patience.ts";

const limits = { silenceMinMs: 750, calmAfterMs: 60_000 };

it("bears silence as long as the server may be silent when there is no other server", () => {
  expect(new Patience(limits, 1).ms(250, 6000)).toBe(6000);
});

it("goes to another server after the least silence, or one and a half heartbeats", () => {
  const patience = new Patience(limits, 2);
  expect([patience.ms(250, 6000), patience.ms(2000, 6000)]).toEqual([750, 3000]);
});

it("bears twice as much after each loss by silence, never more than half of what the server says, until one stood for long", () => {
  const patience = new Patience(limits, 3);
  const seen = [1, 2, 3, 4].map(() => {
    patience.ended(1000, true);
    return patience.ms(250, 6000);
  });
  expect(seen).toEqual([1500, 3000, 3000, 3000]);
  patience.ended(1000, false);
  expect(patience.ms(250, 6000)).toBe(3000);
  patience.ended(60_000, true);
  expect(patience.ms(250, 6000)).toBe(1500);
});

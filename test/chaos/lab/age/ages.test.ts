import { expect, it } from "vitest";
import { type Claim, falseClaims, History, isFresh, type Told } from "./ages.ts";
import type { Writing } from "./beacon.ts";

const writings: readonly Writing[] = [
  { value: 1, ackedMs: 1000 },
  { value: 2, ackedMs: 2000 },
  { value: 3, ackedMs: undefined },
  { value: 5, ackedMs: 5000 },
];
const bounds = { currentMaxMs: 3000, sinceSlackMs: 500 };
const told = (value: number, askedMs: number, claim: Claim): Told => ({
  host: "h1",
  by: "DNS",
  askedMs,
  value,
  claim,
});
const current = (heardAgoMs = 0): Claim => ({ kind: "current", heardAgoMs, isLeaderKnown: true });
const stale = (sinceMs: number): Claim => ({ kind: "stale", sinceMs });

it.each<readonly [what: string, told: Told, violations: number]>([
  ["the newest, however late", told(5, 99_000, current()), 0],
  ["an old one as current, within the bound", told(1, 5000, current()), 0],
  ["an old one as current, beyond it", told(1, 5001, current()), 1],
  ["one without the service, beyond it", told(0, 4001, current()), 1],
  ["an old one as heard long ago", told(1, 9000, current(4000)), 0],
  ["an old one as heard not quite so long ago", told(1, 9001, current(4000)), 1],
  ["one of a write that may have come late", told(3, 99_000, current()), 0],
  ["an old one that says since when", told(2, 99_000, stale(5000)), 0],
  ["an old one that names too late a time", told(2, 99_000, stale(5501)), 1],
  ["one that claims nothing", told(1, 99_000, { kind: "unknown" }), 0],
])("falseClaims() judges %s", (_, answer, violations) => {
  expect(falseClaims([answer], writings, () => ({ DNS: bounds, HTTP: bounds }))).toHaveLength(violations);
});

it("isFresh() asks for a current answer that is no older than it may be", () => {
  const history = new History(writings);
  expect(isFresh(told(2, 6000, current()), history, 1000)).toBe(true);
  expect(isFresh(told(2, 6001, current()), history, 1000)).toBe(false);
  expect(isFresh(told(5, 6001, stale(1)), history, 1000)).toBe(false);
  const leaderless: Claim = { kind: "current", heardAgoMs: 10, isLeaderKnown: false };
  expect(isFresh(told(5, 6001, leaderless), history, 1000)).toBe(false);
});

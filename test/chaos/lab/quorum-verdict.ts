/**
 * While two of three members of etcd are away nobody can know what holds, so that no write may be acknowledged and no
 * consistent read answered; and what a server answers from its memory says so in time.
 */
import { etcdLimits } from "../../../store/index.ts";
import type { Told } from "./age/ages.ts";
import type { Stood } from "./faults/inflict.ts";
import type { Attempt } from "./keys.ts";
import type { Verdict } from "./verdicts.ts";

/** What needs the store: of the others some are answered from what a server has in memory, such as that there is no lock. */
const storeKinds: readonly string[] = ["get", "put", "cas", "delete", "log", "session", "fenced write"];
/** Until a server knows (docs/operations.md, "etcd"). */
const knownMs = etcdLimits.silenceMaxMs + etcdLimits.connectTimeoutMs + etcdLimits.retryMaxMs;

export function quorumVerdicts(
  stood: readonly Stood[],
  attempts: readonly Attempt[],
  told: readonly Told[],
  slackAtMs: (atMs: number) => number,
): readonly Verdict[] {
  const losses = stood.filter(({ fault }) => fault.kind === "quorum");
  const within = (fromMs: number, untilMs: number, { begunMs, endMs }: Stood) =>
    fromMs >= begunMs && untilMs <= endMs;
  const tried = losses.map((loss) =>
    attempts.filter(
      ({ kind, invokedMs, returnedMs }) => storeKinds.includes(kind) && within(invokedMs, returnedMs, loss),
    ),
  );
  const done = tried.flatMap((some, index) =>
    some
      .filter(({ outcome }) => outcome === "ok")
      .map(({ kind, invokedMs }) => `${kind} at ${new Date(invokedMs).toISOString()} in loss ${index + 1}`),
  );
  const leaders = losses.flatMap((loss) =>
    told
      .filter(
        ({ by, askedMs }) =>
          by === "HTTP" &&
          askedMs >= loss.begunMs + knownMs + slackAtMs(askedMs) &&
          askedMs < loss.endMs - 1000,
      )
      .filter(({ claim }) => claim.kind === "current" && claim.isLeaderKnown)
      .map(({ host, askedMs }) => `${host} knew a leader ${Math.round(askedMs - loss.begunMs)} ms after`),
  );
  const count = tried.reduce((sum, some) => sum + some.length, 0);
  return [
    { holds: `without quorum none of ${count} calls to the store was answered`, against: done },
    { holds: "without quorum no answer knows a leader for long", against: leaders },
  ];
}

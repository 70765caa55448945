/** Of all that agents answered about the beacon: no answer claimed to be younger than it was, and in a calm all are fresh. */
import { controlClientLimits } from "../../../../control/index.ts";
import { etcdLimits } from "../../../../store/index.ts";
import type { Inflicted, Stood } from "../faults/inflict.ts";
import { seconds } from "../faults/plan.ts";
import type { Verdict } from "../verdicts.ts";
import { type AgeBounds, falseClaims, History, isFresh, type Told } from "./ages.ts";
import type { Writing } from "./beacon.ts";

/** Allowed for what a machine does besides; more where it is busy. */
export const slackMs = 2000;
/** Until a server knows that its watch of the store brings nothing (docs/operations.md, "etcd"). */
const serverKnowsMs = etcdLimits.silenceMaxMs + etcdLimits.connectTimeoutMs + etcdLimits.retryMaxMs;
/**
 * Until an agent tells what it has of a silent server (docs/dns.md, "When an answer may be old"), or of one that has lost
 * its store: that server says so beside a heartbeat when it could not keep the node's lease for half of its time.
 */
const agentTellsMs = 8000;

function bounds(moreMs: number): Readonly<Record<Told["by"], AgeBounds>> {
  return {
    HTTP: { currentMaxMs: serverKnowsMs + moreMs, sinceSlackMs: moreMs },
    DNS: { currentMaxMs: agentTellsMs + moreMs, sinceSlackMs: moreMs },
  };
}

/** An answer of an agent that has just gone on after a freeze: it knows nothing of the freeze yet. */
const awakeMs = 1500;

const { backoffMaxMs, connectTimeoutMs } = controlClientLimits;
/**
 * After the last fault is undone: every agent answers what was written a moment ago, and says that it is current. An agent
 * that was away for long waits so long between two rounds of its servers.
 */
export const freshAgainMs = backoffMaxMs + 2 * connectTimeoutMs;
/** A node that lost its disk comes under its name only when the one of before is taken for dead. */
export const aliveMs = 10_000;

export function ageVerdicts(
  told: readonly Told[],
  writings: readonly Writing[],
  { stood, calms }: Inflicted,
  hosts: readonly string[],
  /** Allowed at that time for what the machine does besides. */
  slackAtMs: (atMs: number) => number,
): readonly Verdict[] {
  const frozen = stood.filter(({ fault }) => fault.kind === "pause");
  const judged = told.filter((each) => !frozen.some((fault) => isUnder(each, fault)));
  const history = new History(writings);
  const late = calms.flatMap(({ fromMs, untilMs }, index) => {
    const moreMs = slackAtMs(untilMs);
    return hosts
      .filter((host) => !isNew(host, stood, fromMs))
      .flatMap((host) =>
        (["DNS", "HTTP"] as const).flatMap((by) => {
          const some = told.filter(
            (each) =>
              each.host === host &&
              each.by === by &&
              each.askedMs >= fromMs + freshAgainMs + moreMs &&
              each.askedMs < untilMs - 1000,
          );
          const old = some.filter((each) => !isFresh(each, history, moreMs));
          const where = `${host}: ${by} in calm ${index + 1}`;
          // On a machine this slow the calm was over before the bound.
          if (fromMs + freshAgainMs + moreMs + slackMs > untilMs) return [];
          if (some.length === 0) return [`${where} answered nothing`];
          return old.length > 0
            ? [`${where} was not fresh ${old.length} times: ${JSON.stringify(old[0])}`]
            : [];
        }),
      );
  });
  return [
    {
      holds: `${judged.length} answers over ${writings.length} writes claim no age below their own`,
      against: falseClaims(judged, writings, (askedMs) => bounds(slackAtMs(askedMs))),
    },
    {
      holds: `in ${calms.length} calms every answer is fresh after ${seconds(freshAgainMs + slackMs)}, later where work is slow`,
      against: late,
    },
  ];
}

/** Its disk was lost shortly before. */
export function isNew(host: string, stood: readonly Stood[], atMs: number): boolean {
  return stood.some(
    ({ fault, overMs }) => fault.kind === "wipe" && fault.target === host && overMs > atMs - aliveMs,
  );
}

function isUnder({ host, askedMs }: Told, { fault, beginMs, overMs }: Stood): boolean {
  return fault.target === host && askedMs >= beginMs && askedMs <= overMs + awakeMs;
}

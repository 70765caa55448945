/**
 * A process full of light agents, made by `fanout.ts` and told by messages what to do:
 *
 *   fork("test/bench/fanout/crowd.ts")      answers each command once it is done
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type JoinBy, LightAgent, nowMs } from "./light-agent.ts";

export type CrowdCommand =
  /** Agents `first` to `first + count - 1` join and register, a few at a time. */
  | {
      readonly kind: "join";
      readonly server: string;
      readonly first: number;
      readonly count: number;
      readonly instances: number;
      readonly services: number;
      /** Absent: in plain text. */
      readonly joinBy?: JoinBy;
    }
  /** All subscribe to the fabric, to `common`, and each to one service of its own choice; the first one to `own`, too. */
  | { readonly kind: "subscribe"; readonly common: string; readonly own?: string; readonly services: number }
  /** From now on it is noted when an agent hears of the item. */
  | { readonly kind: "listen"; readonly view: string; readonly key: string }
  /** When each agent heard of it; of those that did while patience lasted. */
  | { readonly kind: "heard"; readonly patienceMs: number }
  /** Agent `index` of this process registers; answers the time at which it began. */
  | { readonly kind: "register"; readonly index: number; readonly id: string; readonly name: string }
  /** Answers when each agent was connected and in step, once all are or patience ends, of connections made after that time. */
  | { readonly kind: "settled"; readonly afterMs: number; readonly patienceMs: number };

/** Of the agents that are back. */
export interface Settled {
  readonly connectedMs: readonly number[];
  readonly inStepMs: readonly number[];
  /** What one that is missing says. */
  readonly missing: string | undefined;
}

const joinsAtOnce = 8;
const agents: LightAgent[] = [];
let sought: { readonly view: string; readonly key: string } | undefined;
let heardMs: number[] = [];

function onPut(view: string, key: string): void {
  if (sought?.key === key && sought.view === view) heardMs.push(nowMs());
}

async function until(condition: () => boolean, patienceMs: number): Promise<void> {
  const endMs = nowMs() + patienceMs;
  while (!condition() && nowMs() < endMs) await sleep(5);
}

async function join({ server, first, count, instances, services, joinBy }: CrowdCommand & { kind: "join" }) {
  let next = first;
  const line = async () => {
    while (next < first + count) {
      const index = next++;
      const agent = new LightAgent(index, server, onPut, joinBy);
      agents.push(agent);
      agent.start();
      await until(() => agent.connectedAtMs !== undefined, 60_000);
      const ids = Array.from({ length: instances }, (_, i) => index * instances + i);
      await agent.register(ids.map((id) => ({ id: `i-${id}`, name: `svc-${id % services}` })));
    }
  };
  await Promise.all(Array.from({ length: joinsAtOnce }, line));
}

/** The first one reads the fabric; the others come with what it has, as agents do that were there before. */
async function subscribe({ common, own, services }: CrowdCommand & { kind: "subscribe" }): Promise<void> {
  const [first] = agents;
  first?.subscribe("fabric");
  if (own !== undefined) first?.subscribe(own);
  await until(() => first?.held("fabric") !== undefined, 120_000);
  for (const [i, agent] of agents.entries()) {
    if (agent !== first) agent.subscribe("fabric", first?.held("fabric"));
    agent.subscribe(common);
    agent.subscribe(`service/svc-${i % services}`);
    if (i % joinsAtOnce === 0) await until(() => agent.inStepAtMs !== undefined, 60_000);
  }
  await until(() => agents.every(({ inStepAtMs }) => inStepAtMs !== undefined), 120_000);
}

async function obey(command: CrowdCommand): Promise<unknown> {
  switch (command.kind) {
    case "join":
      return join(command);
    case "subscribe":
      return subscribe(command);
    case "listen":
      sought = command;
      heardMs = [];
      return undefined;
    case "heard": {
      const followers = agents.filter((agent) => sought && agent.follows(sought.view)).length;
      await until(() => heardMs.length >= followers, command.patienceMs);
      return heardMs;
    }
    case "register": {
      const startMs = nowMs();
      await agents[command.index]?.register([command]);
      return startMs;
    }
    case "settled": {
      const { afterMs, patienceMs } = command;
      const since = (atMs: number | undefined) => atMs !== undefined && atMs > afterMs;
      await until(() => agents.every((a) => since(a.connectedAtMs) && since(a.inStepAtMs)), patienceMs);
      const back = agents.filter((agent) => since(agent.inStepAtMs));
      const connectedMs = agents.flatMap(({ connectedAtMs: atMs }) => (atMs && since(atMs) ? [atMs] : []));
      const inStepMs = back.flatMap(({ inStepAtMs }) => inStepAtMs ?? []);
      const missing = agents.find((agent) => !since(agent.inStepAtMs))?.state;
      return { connectedMs, inStepMs, missing } satisfies Settled;
    }
    default:
      return command satisfies never;
  }
}

process.on("message", ({ id, command }: { readonly id: number; readonly command: CrowdCommand }) => {
  obey(command).then(
    (value) => process.send?.({ id, value }),
    (error: unknown) => process.send?.({ id, error: String(error) }),
  );
});
process.once("disconnect", () => process.exit());

/**
 * What one server does for all of them: gives the blocks of lost nodes back, ends sessions and keys whose time is over,
 * trims the history of keys, takes a rotation of the authority through its steps. Over an engine that several servers
 * share they elect who does it, and what he writes is fenced; an embedded store has one server anyway, by the lock on its
 * file.
 */
import type { Clock, Timer } from "../../clock/index.ts";
import { AuthorityKeeper, TrustBook } from "../../control/index.ts";
import type { PoolAuthority } from "../../ipam/index.ts";
import {
  HistoryKeeper,
  keepKeyTimes,
  keepSessions,
  type Registry,
  RegistryWriter,
} from "../../registry/index.ts";
import { Election, type Store, type Work } from "../../store/index.ts";
import type { Log } from "../process/log.ts";

/** How often terms whose time is over are looked for. */
const reclaimEveryMs = 60_000;
const lockKey = "lock/singletons";

export interface SingletonsOptions {
  readonly store: Store;
  /** Other servers may use the store as well. */
  readonly shared: boolean;
  readonly registry: Registry;
  readonly pools: PoolAuthority;
  readonly name: string;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Singletons {
  /** This server does the work now. */
  readonly working: boolean;
  close(): Promise<void>;
}

export function runSingletons(options: SingletonsOptions): Singletons {
  const { store, shared, pools, name, clock, log } = options;
  if (!shared) return { working: true, close: startWork(options, store).close };
  // Who may be elected later knows by then since when a node did not renew.
  const looking = every(reclaimEveryMs, clock, () =>
    election.leading
      ? undefined
      : pools.lookAtTerms().catch((error: unknown) => log.warn({ error }, "look at terms")),
  );
  const election = new Election({
    store,
    key: lockKey,
    name,
    clock,
    work: (fenced) => {
      log.info({}, "elected: reclaims blocks and ends sessions for all servers");
      return startWork(options, fenced);
    },
    onFailure: (error) => log.warn({ error }, "election of the server that reclaims and ends sessions"),
  });
  return {
    get working() {
      return election.leading;
    },
    close: async () => {
      looking.cancel();
      await election.close();
    },
  };
}

function startWork({ registry, pools, clock, log }: SingletonsOptions, store: Store): Work {
  const failed = (what: string) => (error: unknown) => log.error({ error }, `${what}; it is tried again`);
  const writer = new RegistryWriter({ store, registry, clock });
  const keeping = { registry, writer, clock };
  const keepers = [
    keepSessions({ ...keeping, onFailure: failed("a session could not be ended") }),
    keepKeyTimes({ ...keeping, onFailure: failed("a key could not be expired") }),
    new HistoryKeeper({
      store,
      history: registry.history,
      clock,
      onFailure: failed("the history of keys could not be trimmed"),
    }),
  ];
  const authority = new AuthorityKeeper({
    book: new TrustBook({ store, clock }),
    clock,
    onStep: (step) => log.info({ step }, "the rotation of the fabric's authority went a step further"),
    onFailure: failed("the rotation of the fabric's authority could not go on"),
  });
  const reclaim = every(reclaimEveryMs, clock, () =>
    pools.reclaimTick(store).then((ended) => {
      for (const { node, epoch, blocks } of ended)
        log.warn({ node, epoch, blocks: blocks.length }, "node did not renew; its blocks are free");
    }, failed("blocks could not be reclaimed")),
  );
  return {
    close: async () => {
      reclaim.cancel();
      await Promise.all([...keepers, authority].map((keeper) => keeper.close()));
    },
  };
}

function every(intervalMs: number, clock: Clock, act: () => unknown): Pick<Timer, "cancel"> {
  let timer: Timer;
  const arm = () => {
    timer = clock.setTimer(intervalMs, () => {
      arm();
      act();
    });
  };
  arm();
  return { cancel: () => timer.cancel() };
}

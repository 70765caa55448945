/**
 * One run of the simulation: a seed, so many steps, and the first broken promise if there is one. A step either lets
 * something pass that waits, or lets something new happen; after it, everything that must hold is looked at.
 */
import { actionsOf } from "./actions.ts";
import { Exams } from "./exams.ts";
import { type Done, Fabric } from "./fabric.ts";
import type { Random } from "./random.ts";
import { settle } from "./scheduler.ts";
import { type Action, type Pace, type PlantedBug, World } from "./world.ts";

export interface RunOptions {
  readonly seed: number;
  readonly steps: number;
  readonly bug?: PlantedBug;
  /** Default: the seed's. */
  readonly pace?: Pace["name"];
}

export interface RunResult {
  readonly seed: number;
  /** Things that happened until the end or the violation. */
  readonly steps: number;
  /** Of the whole trace: equal for equal runs. */
  readonly digest: string;
  readonly violation?: string;
  /** The last lines of what happened. */
  readonly trace: readonly string[];
  readonly done: Done;
}

/** Of the steps while something waits. */
const passChance = 0.9;

export async function simulate({ seed, steps, bug, pace }: RunOptions): Promise<RunResult> {
  const world = new World(seed, bug, pace);
  const fabric = new Fabric(world);
  await fabric.open();
  const actions = withLuck(world.random, actionsOf(fabric));
  const weight = actions.reduce((sum, action) => sum + action.weight, 0);
  while (world.trace.length < steps && !world.violation) {
    const passed = world.random.chance(passChance) && (await world.scheduler.passOne());
    if (!passed) await perform(world, chosen(actions, world.random.below(weight)));
    await fabric.check();
  }
  if (!world.violation) await new Exams(fabric).run();
  return {
    seed,
    steps: world.trace.length,
    digest: world.trace.digest,
    ...(world.violation ? { violation: world.violation.message } : {}),
    trace: world.trace.lines,
    done: fabric.done,
  };
}

/** Each seed has work and troubles of its own: some often, some never (A. Groce et al., "Swarm Testing", 2012). */
function withLuck(random: Random, actions: readonly Action[]): readonly Action[] {
  const addresses = random.pick([0, 1, 1, 2]);
  const faults = random.pick([0, 1, 1, 2]);
  const services = random.pick([0, 1, 1, 2]);
  const keys = addresses + services === 0 ? 1 : random.pick([0, 1, 1, 2]);
  const factors = {
    addresses: () => addresses,
    services: () => services,
    keys: () => keys,
    fault: () => faults * random.pick([0, 0, 0, 1, 3]),
    repair: () => 1,
    time: () => 1,
  };
  return actions.map((action) => ({ ...action, weight: action.weight * factors[action.kind]() }));
}

async function perform(world: World, { run, kind }: Action): Promise<void> {
  const work = run();
  if (kind === "time") await work;
  else if (work) world.start(work);
  await settle();
}

function chosen(actions: readonly Action[], ticket: number): Action {
  let left = ticket;
  for (const action of actions) {
    left -= action.weight;
    if (left < 0) return action;
  }
  return actions[0] as Action;
}

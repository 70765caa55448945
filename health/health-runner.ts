/**
 * All checks of this node. `put` is idempotent: the same definition again leaves a running check alone, a
 * changed one replaces it and keeps its status. A refused definition leaves what was there running.
 */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../clock/index.ts";
import { FabricError } from "../errors/index.ts";
import type { AliasSource, CheckDefinition, CheckStatus, ContainerExec, StatusSink } from "./check.ts";
import { type HealthLimits, healthLimits } from "./limits.ts";
import { clipText } from "./probes/output.ts";
import { type CheckEnvironment, RunningCheck } from "./running-check.ts";
import { Slots } from "./slots.ts";
import { assertRunnable } from "./validate-check.ts";

export interface HealthRunnerOptions {
  readonly clock: Clock;
  /** Uniform in [0, 1): spreads first runs over their interval. */
  readonly random: () => number;
  readonly sink: StatusSink;
  /** Scripts run as the agent's user, so whoever registers one owns the node. Default false. */
  readonly enableScripts?: boolean;
  /** What aliases follow. Without it they are refused. */
  readonly aliases?: AliasSource;
  /** The container engine of this node. Without it checks in containers are refused. */
  readonly exec?: ContainerExec;
  readonly limits?: Partial<HealthLimits>;
}

export class HealthRunner {
  readonly #environment: CheckEnvironment;
  readonly #enableScripts: boolean;
  readonly #follows: boolean;
  readonly #checks = new Map<string, RunningCheck>();
  /** Checks that were told to stop and may still have a probe under way. */
  readonly #stopping = new Set<Promise<void>>();

  constructor(options: HealthRunnerOptions) {
    const limits = { ...healthLimits, ...options.limits };
    this.#enableScripts = options.enableScripts ?? false;
    this.#environment = {
      clock: options.clock,
      random: options.random,
      sink: options.sink,
      limits,
      probeSlots: new Slots(limits.probesInFlightMax),
      scriptSlots: new Slots(limits.scriptsInFlightMax),
      aliases: options.aliases ?? (() => () => undefined),
      exec: options.exec,
    };
    this.#follows = options.aliases !== undefined;
  }

  /** Whether `put` would take it, without starting anything. @throws as put */
  assertAccepts(check: CheckDefinition): void {
    assertRunnable(check);
    const lacks = this.#lacking(check);
    if (lacks !== undefined) {
      throw new FabricError("HEALTH_INVALID_CHECK", `run check "${check.id}": this node has no ${lacks}`, {
        details: { check: check.id, kind: check.kind },
      });
    }
    if ((check.kind === "script" || check.kind === "exec") && !this.#enableScripts) {
      throw new FabricError(
        "HEALTH_SCRIPTS_DISABLED",
        `run check "${check.id}": scripts are off on this node; allow them in its configuration or use another kind of check`,
        { details: { check: check.id } },
      );
    }
    const { checksMax } = this.#environment.limits;
    if (!this.#checks.has(check.id) && this.#checks.size >= checksMax) {
      throw new FabricError(
        "HEALTH_LIMIT",
        `run check "${check.id}": this node runs ${checksMax} checks already; remove some or raise checksMax`,
        { details: { check: check.id, checksMax } },
      );
    }
  }

  /** @throws HEALTH_INVALID_CHECK, HEALTH_SCRIPTS_DISABLED, HEALTH_LIMIT */
  put(check: CheckDefinition): void {
    this.assertAccepts(check);
    const previous = this.#checks.get(check.id);
    if (previous && isDeepStrictEqual(previous.check, check)) return;
    if (previous) this.#stop(previous);
    this.#checks.set(check.id, new RunningCheck(check, this.#environment, previous));
  }

  /** Nothing happens when it is gone already. */
  remove(checkId: string): void {
    const check = this.#checks.get(checkId);
    if (!check) return;
    this.#checks.delete(checkId);
    this.#stop(check);
  }

  /**
   * Sets a TTL or manual check by hand, and restarts its TTL.
   * @throws HEALTH_CHECK_NOT_FOUND, HEALTH_CHECK_NOT_MANUAL
   */
  setTtl(checkId: string, status: CheckStatus, output: string): void {
    const running = this.#checks.get(checkId);
    if (!running) {
      throw new FabricError(
        "HEALTH_CHECK_NOT_FOUND",
        `set check "${checkId}": this node runs no such check; register it first`,
        { details: { check: checkId } },
      );
    }
    if (running.check.kind !== "ttl" && running.check.kind !== "none") {
      throw new FabricError(
        "HEALTH_CHECK_NOT_MANUAL",
        `set check "${checkId}": it is of kind ${running.check.kind} and finds its status itself; register it with a TTL to set it by hand`,
        { details: { check: checkId, kind: running.check.kind } },
      );
    }
    running.input({ kind: "set", status, output: clipText(output, this.#environment.limits.outputMaxBytes) });
  }

  /** The status and output as of now; the output may be newer than the last one reported. */
  current(checkId: string): { readonly status: CheckStatus; readonly output: string } | undefined {
    const check = this.#checks.get(checkId);
    return check && { status: check.status, output: check.output };
  }

  /** Stops all checks and waits until no probe is left. Nothing is reported afterwards. */
  async close(): Promise<void> {
    for (const check of this.#checks.values()) this.#stop(check);
    this.#checks.clear();
    await Promise.all(this.#stopping);
  }

  #lacking({ kind }: CheckDefinition): string | undefined {
    if (kind === "exec" && !this.#environment.exec) return "container engine; see --docker";
    return kind === "alias" && !this.#follows ? "catalog to follow" : undefined;
  }

  #stop(check: RunningCheck): void {
    const stopped = check.stop().finally(() => this.#stopping.delete(stopped));
    this.#stopping.add(stopped);
  }
}

/**
 * One check at work: the status machine, the timers that move it, and the probe's schedule.
 *
 * Runs start one interval after the last start (not its end), so that a failed instance is reported within
 * interval + timeout. The first run waits a random part of the interval: ten thousand checks registered in one
 * second do not fire in one. At most one run of a check is under way.
 */
import type { Clock, Timer } from "../clock/index.ts";
import {
  type AliasSource,
  type CheckDefinition,
  type CheckStatus,
  type ContainerExec,
  isProbe,
  type ProbeDefinition,
  type StatusSink,
} from "./check.ts";
import { type HealthLimits, probeTimeoutMs, scriptTimeoutMs, timerMaxMs } from "./limits.ts";
import { runProbe } from "./probes/probe.ts";
import type { Slots } from "./slots.ts";
import {
  initialStatus,
  type StatusInput,
  type StatusPolicy,
  type StatusState,
  stepStatus,
  wakeAtMs,
} from "./status.ts";

export interface CheckEnvironment {
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly sink: StatusSink;
  readonly limits: HealthLimits;
  readonly probeSlots: Slots;
  readonly scriptSlots: Slots;
  readonly aliases: AliasSource;
  readonly exec: ContainerExec | undefined;
}

export class RunningCheck {
  readonly check: CheckDefinition;
  readonly #environment: CheckEnvironment;
  readonly #policy: StatusPolicy;
  readonly #stopped = new AbortController();
  #state: StatusState;
  #wake: Timer | undefined;
  #next: Timer | undefined;
  #run: Promise<void> = Promise.resolve();
  #unfollow: () => void = () => undefined;

  /** `previous` is the check that this one replaces: its status and output go on, so nothing flaps. */
  constructor(check: CheckDefinition, environment: CheckEnvironment, previous?: RunningCheck) {
    this.check = check;
    this.#environment = environment;
    this.#policy = policyOf(check, environment.limits);
    const nowMs = environment.clock.monotonicMs();
    const status = previous?.status ?? check.status ?? "critical";
    this.#state = { ...initialStatus(this.#policy, status, nowMs), output: previous?.output ?? "" };
    this.#state = { ...this.#state, reportedOutput: this.#state.output };
    if (previous) environment.sink.report(check.id, status, this.#state.output);
    this.#armWake();
    if (isProbe(check)) this.#armNext(check, environment.random() * intervalOf(check, environment.limits));
    if (check.kind === "alias")
      this.#unfollow = environment.aliases(check, (aliased, output) => {
        if (!this.#stopped.signal.aborted) this.input({ kind: "set", status: aliased, output });
      });
  }

  get status(): CheckStatus {
    return this.#state.status;
  }

  get output(): string {
    return this.#state.output;
  }

  input(input: StatusInput): void {
    const { clock, sink } = this.#environment;
    const { state, effects } = stepStatus(this.#policy, this.#state, input, clock.monotonicMs());
    this.#state = state;
    this.#armWake();
    for (const effect of effects) {
      switch (effect.kind) {
        case "report":
          sink.report(this.check.id, effect.status, effect.output);
          break;
        case "deregister":
          if (this.check.serviceId !== undefined) sink.deregister(this.check.serviceId);
          break;
        default:
          effect satisfies never;
      }
    }
  }

  /** Nothing is reported from here on. Resolves when no probe of this check is left. */
  stop(): Promise<void> {
    this.#stopped.abort();
    this.#wake?.cancel();
    this.#next?.cancel();
    this.#unfollow();
    return this.#run;
  }

  #armWake(): void {
    this.#wake?.cancel();
    const atMs = wakeAtMs(this.#policy, this.#state);
    if (atMs === undefined || this.#stopped.signal.aborted) return;
    const { clock } = this.#environment;
    const delayMs = Math.min(atMs - clock.monotonicMs(), timerMaxMs);
    this.#wake = clock.setTimer(delayMs, () => this.input({ kind: "tick" }));
  }

  #armNext(check: ProbeDefinition, delayMs: number): void {
    const { clock, probeSlots, scriptSlots } = this.#environment;
    const slots = isProgram(check) ? scriptSlots : probeSlots;
    this.#next = clock.setTimer(delayMs, () => {
      this.#run = slots.run(() => this.#probe(check));
    });
  }

  async #probe(check: ProbeDefinition): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    const { clock, limits, exec } = this.#environment;
    const startedMs = clock.monotonicMs();
    const timeoutMs = check.timeoutMs ?? (isProgram(check) ? scriptTimeoutMs : probeTimeoutMs);
    const timeout = new AbortController();
    const timer = clock.setTimer(Math.min(timeoutMs, timerMaxMs), () => timeout.abort());
    const signal = AbortSignal.any([timeout.signal, this.#stopped.signal]);
    const result = await runProbe(check, { clock, limits, signal, timeoutMs }, exec);
    timer.cancel();
    if (this.#stopped.signal.aborted) return;
    this.input({ kind: "result", ...result });
    const nextMs = startedMs + intervalOf(check, limits);
    if (!this.#stopped.signal.aborted) this.#armNext(check, Math.max(0, nextMs - clock.monotonicMs()));
  }
}

function isProgram({ kind }: ProbeDefinition): boolean {
  return kind === "script" || kind === "exec";
}

function intervalOf(check: ProbeDefinition, limits: HealthLimits): number {
  return Math.min(Math.max(check.intervalMs, limits.intervalMinMs), timerMaxMs);
}

function policyOf(check: CheckDefinition, limits: HealthLimits): StatusPolicy {
  const probed = isProbe(check) ? check : undefined;
  const failuresBeforeCritical = Math.max(1, probed?.failuresBeforeCritical ?? 1);
  const deregisterMs = check.serviceId === undefined ? undefined : check.deregisterCriticalServiceAfterMs;
  return {
    successBeforePassing: Math.max(1, probed?.successBeforePassing ?? 1),
    failuresBeforeWarning: probed?.failuresBeforeWarning || failuresBeforeCritical,
    failuresBeforeCritical,
    outputIntervalMs: limits.outputIntervalMs,
    ...(check.kind === "ttl" ? { ttlMs: check.ttlMs } : {}),
    ...(deregisterMs ? { deregisterAfterMs: Math.max(deregisterMs, limits.deregisterAfterMinMs) } : {}),
  };
}

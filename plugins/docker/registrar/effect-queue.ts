/**
 * Carries out what the core decided, one after the other. A newer decision on a service takes the place of one
 * that still waits, so the queue is never longer than there are services and checks.
 */
import { isFabricError } from "../../../errors/index.ts";
import { isOwned } from "./owned.ts";
import type { Registration } from "./plan.ts";
import type { RegistrarLog, ServiceRegistry } from "./ports.ts";
import type { RegistrarEffect } from "./step.ts";

type Queued = Extract<RegistrarEffect, { kind: "register" | "deregister" | "status" }>;

export class EffectQueue {
  readonly #registry: ServiceRegistry;
  readonly #log: RegistrarLog;
  readonly #onRefused: (registration: Registration, why: string) => void;
  readonly #waiting = new Map<string, Queued>();
  #running: Promise<void> | undefined;

  constructor(
    registry: ServiceRegistry,
    log: RegistrarLog,
    onRefused: (registration: Registration, why: string) => void,
  ) {
    this.#registry = registry;
    this.#log = log;
    this.#onRefused = onRefused;
  }

  push(effect: Queued): void {
    const key = keyOf(effect);
    this.#waiting.delete(key);
    this.#waiting.set(key, effect);
    this.#running ??= this.#run();
  }

  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #run(): Promise<void> {
    await Promise.resolve();
    for (const [key, effect] of this.#waiting) {
      this.#waiting.delete(key);
      try {
        await this.#carryOut(effect);
      } catch (error) {
        if (effect.kind === "register") {
          this.#onRefused(effect.registration, error instanceof Error ? error.message : String(error));
        } else if (!isGone(error)) {
          this.#log("error", `${effect.kind} for a container`, { error, key });
        }
      }
    }
    this.#running = undefined;
  }

  async #carryOut(effect: Queued): Promise<void> {
    switch (effect.kind) {
      case "register": {
        const { serviceId, definition } = effect.registration;
        const held = this.#held(serviceId);
        if (held && !isOwned(held)) {
          const why = "it is registered by somebody else on this node; choose another ID";
          this.#onRefused(effect.registration, why);
          return;
        }
        await this.#registry.registerService(definition, { replaceChecks: true });
        return;
      }
      case "deregister": {
        const held = this.#held(effect.serviceId);
        if (held && isOwned(held)) await this.#registry.deregisterService(effect.serviceId);
        return;
      }
      case "status":
        await this.#registry.setCheck(effect.checkId, effect.status, effect.output);
        return;
      default:
        effect satisfies never;
    }
  }

  #held(serviceId: string) {
    return this.#registry.services().find(({ id }) => id === serviceId);
  }
}

function keyOf(effect: Queued): string {
  switch (effect.kind) {
    case "register":
      return `service ${effect.registration.serviceId}`;
    case "deregister":
      return `service ${effect.serviceId}`;
    case "status":
      return `check ${effect.checkId}`;
    default:
      return effect satisfies never;
  }
}

/** Withdrawn meanwhile, with its service or by hand. */
function isGone(error: unknown): boolean {
  return (
    isFabricError(error, "REGISTRY_SERVICE_NOT_FOUND") || isFabricError(error, "REGISTRY_CHECK_NOT_FOUND")
  );
}

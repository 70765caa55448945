/** The core: lives of containers as events, and what must hold after any of them. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseIp } from "../../../addr/index.ts";
import type { EngineEvent } from "../engine/index.ts";
import type { ContainerFacts } from "./facts.ts";
import {
  initialState,
  type OwnedService,
  type RegistrarEvent,
  type RegistrarState,
  type StepOptions,
  step,
} from "./step.ts";

const options: StepOptions = {
  node: "n1",
  nodeAddress: parseIp("192.0.2.1"),
  engineId: "engine",
  servicesMax: 32,
  containersMax: 3,
};

function web(id: string, more: Partial<ContainerFacts> = {}): ContainerFacts {
  return {
    id,
    name: id,
    image: "web",
    paused: false,
    startedMs: 1000,
    pid: 1,
    stopSignal: 15,
    labels: { "heddle.service": "web" },
    environment: {},
    exposed: [{ number: 80, protocol: "tcp" }],
    published: [],
    onHostNetwork: false,
    attachments: [{ network: "shop", addresses: [parseIp("10.1.0.5")], names: [id] }],
    ...more,
  };
}

const happened = (id: string, action: string, atMs: number, signal?: number): RegistrarEvent => {
  const event: EngineEvent = { containerId: id, action, atMs, ...(signal !== undefined && { signal }) };
  return { kind: "happened", event };
};
const inspected = (id: string, facts: ContainerFacts | undefined): RegistrarEvent => ({
  kind: "inspected",
  id,
  facts,
});

/** What stands registered after the events: effects applied as the agent would. */
class Agent {
  state: RegistrarState = initialState;
  readonly services = new Map<string, OwnedService>();
  readonly statuses = new Map<string, string>();
  readonly asked: string[] = [];

  take(...events: readonly RegistrarEvent[]): this {
    for (const event of events) {
      const { state, effects } = step(this.state, event, options);
      this.state = state;
      for (const effect of effects) {
        if (effect.kind === "deregister") this.services.delete(effect.serviceId);
        else if (effect.kind === "register") {
          const { serviceId, digest, definition } = effect.registration;
          const containerId = definition.meta?.["heddle-container"] ?? "";
          this.services.set(serviceId, { serviceId, containerId, digest });
        } else if (effect.kind === "status") this.statuses.set(effect.checkId, effect.status);
        else this.asked.push(`${effect.kind} ${effect.id}`);
      }
    }
    return this;
  }

  get ids(): readonly string[] {
    return [...this.services.keys()].toSorted();
  }
}

const service = "n1:a:80";
const name = "container:a:10.1.0.5:a";

describe("a container", () => {
  test("is inspected when it starts, and taken in then", () => {
    const agent = new Agent().take(happened("a", "start", 1001));
    expect(agent.asked).toEqual(["inspect a"]);
    expect(agent.take(inspected("a", web("a"))).ids).toEqual([name, service]);
  });

  test("loses its services when Docker begins to stop it, its names when it has ended", () => {
    const agent = new Agent().take(inspected("a", web("a")), happened("a", "kill", 2000, 15));
    expect(agent.ids).toEqual([name]);
    expect(agent.take(inspected("a", web("a"))).ids).toEqual([name]);
    expect(agent.take(happened("a", "die", 2100)).ids).toEqual([]);
    expect(agent.take(inspected("a", undefined)).state.containers.size).toBe(0);
  });

  test("keeps its services at a signal that does not stop it", () => {
    const agent = new Agent().take(inspected("a", web("a")), happened("a", "kill", 2000, 1));
    expect(agent.ids).toContain(service);
  });

  test("is stopped by the signal that it chose", () => {
    const agent = new Agent().take(
      inspected("a", web("a", { stopSignal: 3 })),
      happened("a", "kill", 2000, 3),
    );
    expect(agent.ids).not.toContain(service);
  });

  test("that was asked to stop before it was known is not taken in", () => {
    const agent = new Agent().take(happened("a", "start", 1001), happened("a", "kill", 1002, 15));
    expect(agent.take(inspected("a", web("a"))).ids).toEqual([name]);
  });

  test("that survives its stop signal is taken in again when its time is over", () => {
    const agent = new Agent().take(inspected("a", web("a")), happened("a", "kill", 2000, 15));
    expect(agent.asked).toContain("expectEnd a");
    expect(agent.take({ kind: "overdue", id: "a" }, inspected("a", web("a"))).ids).toContain(service);
  });

  test("that starts again is taken in again, whatever came before", () => {
    const agent = new Agent().take(
      inspected("a", web("a")),
      happened("a", "kill", 2000, 15),
      happened("a", "die", 2100),
      happened("a", "start", 2200),
      inspected("a", web("a", { startedMs: 2200 })),
    );
    expect(agent.ids).toEqual([name, service]);
  });

  test("is not withdrawn by events of an earlier life", () => {
    const agent = new Agent().take(
      inspected("a", web("a", { startedMs: 5000 })),
      happened("a", "kill", 2000, 15),
      happened("a", "die", 2100),
      happened("a", "destroy", 2200),
    );
    expect(agent.ids).toEqual([name, service]);
  });

  test("is not taken in by an inspection that is older than its end", () => {
    const agent = new Agent().take(
      happened("a", "start", 1001),
      happened("a", "die", 1500),
      inspected("a", web("a", { startedMs: 1000 })),
    );
    expect(agent.ids).toEqual([]);
  });

  test("has no services while it is paused", () => {
    const agent = new Agent().take(inspected("a", web("a")), happened("a", "pause", 2000));
    expect(agent.ids).toEqual([name]);
    expect(agent.take(happened("a", "unpause", 3000), inspected("a", web("a"))).ids).toEqual([name, service]);
  });
});

describe("a HEALTHCHECK", () => {
  const check = "docker:n1:a:80";
  const health = (status: "starting" | "healthy" | "unhealthy") => ({ health: { status, output: "" } });

  test("is critical while it starts, then follows Docker", () => {
    const agent = new Agent().take(inspected("a", web("a", health("starting"))));
    expect(agent.statuses.get(check)).toBe("critical");
    agent.take(happened("a", "health_status: healthy", 2000));
    expect(agent.statuses.get(check)).toBe("passing");
    agent.take(happened("a", "health_status: unhealthy", 3000));
    expect(agent.statuses.get(check)).toBe("critical");
    agent.take(inspected("a", web("a", health("healthy"))));
    expect(agent.statuses.get(check)).toBe("passing");
  });

  test("does not register its service anew when its status changes", () => {
    const agent = new Agent().take(inspected("a", web("a", health("starting"))));
    const { effects } = step(agent.state, happened("a", "health_status: healthy", 2000), options);
    expect(effects.map(({ kind }) => kind)).toEqual(["inspect", "status"]);
  });
});

describe("a new list", () => {
  const owned = (id: string): OwnedService => ({ serviceId: `n1:${id}:80`, containerId: id, digest: "old" });

  test("withdraws what is registered for containers that are gone, and inspects the others", () => {
    const agent = new Agent();
    for (const each of [owned("a"), owned("b")]) agent.services.set(each.serviceId, each);
    agent.take({ kind: "listed", ids: ["a"], owned: [owned("a"), owned("b")] });
    expect(agent.ids).toEqual(["n1:a:80"]);
    expect(agent.asked).toEqual(["inspect a"]);
  });

  test("leaves what is already registered as it should be", () => {
    const agent = new Agent().take(inspected("a", web("a")));
    const known = [...agent.services.values()];
    const again = new Agent().take({ kind: "listed", ids: ["a"], owned: known });
    const { effects } = step(again.state, inspected("a", web("a")), options);
    expect(effects).toEqual([]);
  });

  test("does not forget that a container was asked to stop", () => {
    const agent = new Agent().take(inspected("a", web("a")), happened("a", "kill", 2000, 15));
    agent.take({ kind: "listed", ids: ["a"], owned: [...agent.services.values()] });
    expect(agent.take(inspected("a", web("a"))).ids).toEqual([name]);
  });

  test("takes in no more containers than are allowed, and counts the others", () => {
    const agent = new Agent().take({ kind: "listed", ids: ["a", "b", "c", "d"], owned: [] });
    expect(agent.state.leftOut).toBe(1);
    expect(agent.asked).not.toContain("inspect d");
  });
});

describe("a service id that two containers want", () => {
  const labels = { "heddle.service": "web", "heddle.id": "w" };

  test("stays with the first, and goes to the second when it is free", () => {
    const agent = new Agent().take(
      inspected("a", web("a", { labels })),
      inspected("b", web("b", { labels })),
    );
    expect(agent.services.get("w")?.containerId).toBe("a");
    expect(agent.state.containers.get("b")?.problems).toHaveLength(1);
    agent.take(happened("a", "die", 2000));
    expect(agent.services.get("w")?.containerId).toBe("b");
    expect(agent.state.containers.get("b")?.problems).toEqual([]);
  });

  test("is reported when the agent refuses it, and is not ours then", () => {
    const agent = new Agent().take(inspected("a", web("a", { labels })));
    const { effects } = step(initialState, inspected("a", web("a", { labels })), options);
    const [first] = effects;
    if (first?.kind !== "register") throw new Error("expected a registration");
    agent.take({ kind: "refused", registration: first.registration, why: "no" });
    expect(agent.state.registered.has("w")).toBe(false);
    expect(agent.state.containers.get("a")?.problems).toEqual(["web: no"]);
  });
});

test("after any events and a last inspection, what is registered is what runs", () => {
  const id = fc.constantFrom("a", "b");
  const time = fc.integer({ min: 0, max: 50 });
  const action = fc.constantFrom(
    "start",
    "die",
    "kill",
    "pause",
    "unpause",
    "destroy",
    "rename",
    "health_status: healthy",
  );
  const event: fc.Arbitrary<RegistrarEvent> = fc.oneof(
    fc.tuple(id, action, time).map(([each, what, atMs]) => happened(each, what, atMs, 15)),
    fc.tuple(id, time).map(([each, startedMs]) => inspected(each, web(each, { startedMs }))),
    id.map((each) => inspected(each, undefined)),
    fc.subarray(["a", "b"]).map((ids): RegistrarEvent => ({ kind: "listed", ids, owned: [] })),
    id.map((each): RegistrarEvent => ({ kind: "vanished", id: each })),
    id.map((each): RegistrarEvent => ({ kind: "overdue", id: each })),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20 }), fc.subarray(["a", "b"]), (events, running) => {
      const agent = new Agent().take(
        ...events.map((each) => (each.kind === "listed" ? { ...each, owned: [] } : each)),
      );
      const owned = [...agent.services.values()];
      agent.take({ kind: "listed", ids: running, owned });
      for (const each of running) agent.take(inspected(each, web(each, { startedMs: 100 })));
      expect(agent.ids).toEqual(
        running.flatMap((each) => [`container:${each}:10.1.0.5:${each}`, `n1:${each}:80`]).toSorted(),
      );
    }),
  );
});

import { describe, expect, onTestFinished, test } from "vitest";
import type { ApiRequest } from "../../api/index.ts";
import { ManualClock } from "../../clock/index.ts";
import type { AliasCheck, CheckStatus } from "../../health/index.ts";
import { AgentState } from "../../registry/index.ts";
import { MemoryStore } from "../../store/index.ts";
import { until } from "../../test/fixtures/api.ts";
import { aliasNodesMax, aliasSource } from "./aliases.ts";

async function world() {
  const clock = new ManualClock();
  const state = await AgentState.open({ store: new MemoryStore(), node: "n1" });
  /** What the server says of other nodes; a request waits while there is nothing newer. */
  const asked: ApiRequest[] = [];
  let [index, reachable] = [1, true];
  let checks: object[] = [];
  let wake: () => void = () => undefined;
  const ask = async (request: ApiRequest) => {
    asked.push(request);
    const seen = Number(/index=(\d+)/.exec(request.target)?.[1] ?? -1);
    while (seen === index && reachable)
      await new Promise<void>((resolve, reject) => {
        wake = resolve;
        request.signal?.addEventListener("abort", () => reject(request.signal?.reason as Error));
      });
    if (!reachable) throw new Error("no server");
    const body = request.target.startsWith("/v1/health/") ? checks : { Services: [{ ID: "db" }] };
    return { status: 200, headers: { "X-Consul-Index": String(index) }, body: JSON.stringify(body) };
  };
  const says = (status: CheckStatus, serviceId = "db") => {
    checks = [{ CheckID: "c", Name: "check", Status: status, Output: "why", ServiceID: serviceId }];
    index++;
    wake();
  };
  const follow = (check: Partial<AliasCheck>) => {
    const reports: string[] = [];
    const stop = source({ id: "alias", kind: "alias", ...check }, (status, output) =>
      reports.push(`${status}: ${output}`),
    );
    onTestFinished(stop);
    return { reports, stop };
  };
  const source = aliasSource({ node: "n1", state, clock, ask });
  const lose = (lost: boolean) => {
    reachable = !lost;
    wake();
  };
  return { state, clock, follow, says, lose, asked };
}

describe("an alias on its own node", () => {
  test("follows the instance's checks and the node's, not those of others, and not itself", async () => {
    const { state, follow } = await world();
    const { reports } = follow({ service: "db" });
    expect(reports).toEqual(["critical: Service db could not be found on node n1"]);
    await state.registerService({ name: "db" }, false);
    expect(reports.at(-1)).toBe("passing: No checks found.");
    const manual = (id: string) => ({
      id,
      name: id,
      probe: { kind: "none" } as const,
      status: "passing" as const,
    });
    await state.registerService({ name: "web" }, false);
    await state.registerCheck(manual("of-db"), "db");
    await state.registerCheck(manual("of-node"), "");
    await state.registerCheck(manual("of-web"), "web");
    await state.registerCheck(manual("alias"), "");
    expect(reports.at(-1)).toBe("passing: All checks passing.");
    const count = reports.length;
    state.setStatus("of-web", "critical", "x");
    state.setStatus("alias", "critical", "x");
    expect(reports).toHaveLength(count);
    state.setStatus("of-node", "warning", "hot");
    expect(reports.at(-1)).toBe('warning: Aliased check "of-node" failing: hot');
    state.setStatus("of-db", "critical", "gone");
    expect(reports.at(-1)).toBe('critical: Aliased check "of-db" failing: gone');
    state.setStatus("of-db", "passing", "");
    state.setStatus("of-node", "passing", "");
    expect(reports.at(-1)).toBe("passing: All checks passing.");
  });

  test("tells nothing after it was stopped", async () => {
    const { state, follow } = await world();
    const { reports, stop } = follow({ node: "N1", service: "db" });
    stop();
    await state.registerService({ name: "db" }, false);
    expect(reports).toHaveLength(1);
  });
});

describe("an alias of another node", () => {
  test("follows it by one query, whatever the number of aliases, until nobody does", async () => {
    const { follow, says, asked } = await world();
    says("passing");
    const [one, two] = [follow({ node: "n2", service: "db" }), follow({ node: "N2", service: "db" })];
    await until(() => one.reports.length > 0 && two.reports.length > 0);
    expect(one.reports).toEqual(["passing: All checks passing."]);
    says("critical");
    await until(() => two.reports.length === 2);
    expect(one.reports.at(-1)).toBe('critical: Aliased check "check" failing: why');
    await until(() => asked.length === 5);
    expect(asked.filter(({ target }) => target.startsWith("/v1/health/"))).toHaveLength(2);
    one.stop();
    expect(asked.at(-1)?.signal?.aborted).toBe(false);
    two.stop();
    expect(asked.at(-1)?.signal?.aborted).toBe(true);
  });

  test("keeps its status while no server can be reached, and catches up", async () => {
    const { follow, says, lose, clock } = await world();
    says("passing");
    const { reports } = follow({ node: "n2", service: "db" });
    await until(() => reports.length === 1);
    lose(true);
    says("critical");
    await clock.advance(60_000);
    expect(reports).toHaveLength(1);
    lose(false);
    await clock.advance(5000);
    await until(() => reports.length === 2);
    expect(reports.at(-1)).toContain("critical");
  });

  test("is critical beyond the limit of nodes", async () => {
    const { follow } = await world();
    for (let at = 0; at < aliasNodesMax; at++) follow({ node: `other${at}` });
    expect(follow({ node: "one-more" }).reports).toEqual([
      `critical: this agent follows ${aliasNodesMax} other nodes already; use fewer`,
    ]);
  });
});

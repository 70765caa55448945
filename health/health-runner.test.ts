import { createServer, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ManualClock, systemClock } from "../clock/index.ts";
import type { CheckStatus, TcpCheck, TtlCheck } from "./check.ts";
import { HealthRunner, type HealthRunnerOptions } from "./health-runner.ts";

interface Report {
  readonly id: string;
  readonly status: CheckStatus;
  readonly output: string;
  readonly atMs: number;
}

let clock: ManualClock;
let reports: Report[];
let deregistered: string[];
const runners: HealthRunner[] = [];
const servers: Server[] = [];

beforeEach(() => {
  clock = new ManualClock();
  reports = [];
  deregistered = [];
});
afterEach(async () => {
  await Promise.all(runners.splice(0).map((runner) => runner.close()));
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

function start(options: Partial<HealthRunnerOptions> = {}): HealthRunner {
  const used = options.clock ?? clock;
  const sink = {
    report: (id: string, status: CheckStatus, output: string) =>
      void reports.push({ id, status, output, atMs: used.monotonicMs() }),
    deregister: (serviceId: string) => void deregistered.push(serviceId),
  };
  const runner = new HealthRunner({ clock, random: () => 0.5, sink, ...options });
  runners.push(runner);
  return runner;
}

const ttl: TtlCheck = { id: "t", serviceId: "web", kind: "ttl", ttlMs: 10_000 };

describe("TTL and manual checks", () => {
  it("turn critical when nothing is heard, and back when something is", async () => {
    const runner = start();
    runner.put({ ...ttl, status: "passing" });
    await clock.advance(9999);
    expect(reports).toEqual([]);
    await clock.advance(1);
    expect(reports).toMatchObject([{ id: "t", status: "critical", output: "TTL expired", atMs: 10_000 }]);
    runner.setTtl("t", "passing", "back");
    expect(reports.at(-1)).toMatchObject({ status: "passing", output: "back" });
    await clock.advance(9000);
    runner.setTtl("t", "passing", "still");
    await clock.advance(9000);
    expect(runner.current("t")).toEqual({ status: "passing", output: "still" });
  });

  it("of kind none stay as they were set", async () => {
    const runner = start();
    runner.put({ id: "m", kind: "none" });
    runner.setTtl("m", "warning", "by hand");
    await clock.advance(1e9);
    expect(reports).toMatchObject([{ id: "m", status: "warning", output: "by hand" }]);
  });

  it("deregister their service after the time in critical, no earlier than the floor", async () => {
    start().put({ ...ttl, deregisterCriticalServiceAfterMs: 1000 });
    await clock.advance(59_999);
    expect(deregistered).toEqual([]);
    await clock.advance(1);
    expect(deregistered).toEqual(["web"]);
  });

  it("wait longer than a timer can", async () => {
    const runner = start({ clock: systemClock });
    const setTimer = vi.spyOn(systemClock, "setTimer");
    runner.put({ ...ttl, ttlMs: 1e12 });
    expect(setTimer.mock.calls[0]?.[0]).toBe(2 ** 31 - 1);
    setTimer.mockRestore();
  });
});

describe("put()", () => {
  it("again with the same definition changes nothing", async () => {
    const runner = start();
    runner.put({ ...ttl, status: "passing" });
    await clock.advance(6000);
    runner.put({ ...ttl, status: "passing" });
    await clock.advance(4000);
    expect(reports).toMatchObject([{ status: "critical", atMs: 10_000 }]);
  });

  it("with a changed definition keeps status and output", async () => {
    const runner = start();
    runner.put(ttl);
    runner.setTtl("t", "passing", "fine");
    runner.put({ ...ttl, ttlMs: 20_000 });
    expect(runner.current("t")).toEqual({ status: "passing", output: "fine" });
    expect(reports.at(-1)).toMatchObject({ status: "passing", output: "fine" });
    await clock.advance(20_000);
    expect(reports.at(-1)).toMatchObject({ status: "critical", atMs: 20_000 });
  });

  it.each<[string, Parameters<HealthRunner["put"]>[0]]>([
    ["an empty id", { id: "", kind: "none" }],
    ["a TTL of zero", { id: "x", kind: "ttl", ttlMs: 0 }],
    ["a URL that is a file", { id: "x", kind: "http", url: "file:///etc/passwd", intervalMs: 1000 }],
    ["no URL", { id: "x", kind: "http", url: "", intervalMs: 1000 }],
    ["port 0", { id: "x", kind: "tcp", host: "a", port: 0, intervalMs: 1000 }],
    ["no program", { id: "x", kind: "script", args: [], intervalMs: 1000 }],
    ["an interval that is no number", { id: "x", kind: "tcp", host: "a", port: 1, intervalMs: Number.NaN }],
    [
      "a warning later than critical",
      {
        id: "x",
        kind: "tcp",
        host: "a",
        port: 1,
        intervalMs: 1,
        failuresBeforeWarning: 3,
        failuresBeforeCritical: 2,
      },
    ],
  ])("refuses %s", (_name, check) => {
    expect(() => start().put(check)).toThrow(expect.objectContaining({ code: "HEALTH_INVALID_CHECK" }));
  });

  it("refuses scripts unless they are allowed, and checks above the limit", () => {
    const check = { id: "s", kind: "script" as const, args: ["true"], intervalMs: 1000 };
    expect(() => start().put(check)).toThrow(expect.objectContaining({ code: "HEALTH_SCRIPTS_DISABLED" }));
    const runner = start({ enableScripts: true, limits: { checksMax: 1 } });
    runner.put(check);
    expect(() => runner.put(ttl)).toThrow(expect.objectContaining({ code: "HEALTH_LIMIT" }));
  });
});

it("setTtl() names a check that is not there, and one that finds its status itself", () => {
  const runner = start();
  runner.put({ id: "p", kind: "tcp", host: "127.0.0.1", port: 1, intervalMs: 1000 });
  expect(() => runner.setTtl("q", "passing", "")).toThrow(
    expect.objectContaining({ code: "HEALTH_CHECK_NOT_FOUND" }),
  );
  expect(() => runner.setTtl("p", "passing", "")).toThrow(
    expect.objectContaining({ code: "HEALTH_CHECK_NOT_MANUAL" }),
  );
});

describe("probes", () => {
  const refused: TcpCheck = {
    id: "p",
    kind: "tcp",
    host: "127.0.0.1",
    port: 1,
    intervalMs: 4000,
    status: "passing",
  };

  it("start after a random part of the interval and report a refusal at that tick", async () => {
    start().put(refused);
    await clock.advance(1999);
    expect(reports).toEqual([]);
    await clock.advance(1);
    await vi.waitFor(() => expect(reports).toMatchObject([{ status: "critical", atMs: 2000 }]));
  });

  it("run no faster than the floor", async () => {
    let requests = 0;
    const url = await serve((_, response) => response.end(String(++requests)));
    const runner = start({ random: () => 0 });
    runner.put({ id: "p", kind: "http", url, intervalMs: 1 });
    await clock.advance(0);
    await vi.waitFor(() => expect(runner.current("p")?.output).toContain("Output: 1"));
    await clock.advance(999);
    expect(requests).toBe(1);
    await clock.advance(1);
    await vi.waitFor(() => expect(runner.current("p")?.output).toContain("Output: 2"));
  });

  it("start one interval after the last start, however long that one took", async () => {
    const held: ServerResponse[] = [];
    const url = await serve((_, response) => void held.push(response));
    const runner = start({ random: () => 0 });
    runner.put({ id: "p", kind: "http", url, intervalMs: 4000 });
    await clock.advance(0);
    await vi.waitFor(() => expect(held).toHaveLength(1));
    await clock.advance(3000);
    held[0]?.end();
    await vi.waitFor(() => expect(runner.current("p")?.status).toBe("passing"));
    await clock.advance(1000);
    await vi.waitFor(() => expect(held).toHaveLength(2));
  });

  it("report a server that hangs within interval + timeout", async () => {
    let hang = false;
    const url = await serve((_, response) => void (hang || response.end()));
    const runner = start({ clock: systemClock, random: Math.random, limits: { intervalMinMs: 50 } });
    runner.put({ id: "p", kind: "http", url, intervalMs: 200, timeoutMs: 100 });
    await vi.waitFor(() => expect(reports.at(-1)?.status).toBe("passing"));
    hang = true;
    const hungMs = systemClock.monotonicMs();
    await vi.waitFor(() => expect(reports.at(-1)?.status).toBe("critical"));
    expect((reports.at(-1)?.atMs ?? 0) - hungMs).toBeLessThan(300 + 200);
  });

  it("never run more at one time than the limit, and all get their turn", async () => {
    let running = 0;
    let most = 0;
    const url = await serve((_, response) => {
      most = Math.max(most, ++running);
      setTimeout(() => {
        running -= 1;
        response.end();
      }, 20);
    });
    const runner = start({ random: () => 0, limits: { probesInFlightMax: 2 } });
    for (let n = 0; n < 8; n += 1) runner.put({ id: `p${n}`, kind: "http", url, intervalMs: 60_000 });
    await clock.advance(0);
    await vi.waitFor(() => expect(reports.filter((each) => each.status === "passing")).toHaveLength(8));
    expect(most).toBe(2);
  });

  it("are silent after remove() and close()", async () => {
    let asked = 0;
    const url = await serve(() => {
      asked += 1;
    });
    const runner = start({ random: () => 0 });
    runner.put({ id: "p", kind: "http", url, intervalMs: 1000 });
    runner.put({ ...refused, id: "q" });
    await clock.advance(0);
    await vi.waitFor(() => expect(asked).toBe(1));
    runner.remove("p");
    reports.length = 0;
    await runner.close();
    await clock.advance(100_000);
    expect(reports).toEqual([]);
  });
});

describe("aliases", () => {
  const alias = { id: "a", serviceId: "web", kind: "alias", service: "db" } as const;

  it("are what they follow, until they are removed", () => {
    let tell: (status: CheckStatus, output: string) => void = () => undefined;
    let followed = 0;
    const runner = start({
      aliases: (_check, report) => {
        followed++;
        tell = report;
        return () => void followed--;
      },
    });
    runner.put(alias);
    tell("passing", "fine");
    tell("critical", "gone");
    expect(reports.map(({ status, output }) => `${status} ${output}`)).toEqual([
      "passing fine",
      "critical gone",
    ]);
    expect(() => runner.setTtl("a", "passing", "")).toThrow(
      expect.objectContaining({ code: "HEALTH_CHECK_NOT_MANUAL" }),
    );
    runner.remove("a");
    expect(followed).toBe(0);
    tell("passing", "late");
    expect(reports).toHaveLength(2);
  });

  it("and programs in containers are refused where there is nothing to follow or to run them", () => {
    const runner = start({ enableScripts: true });
    const exec = { id: "x", kind: "exec", container: "c", args: ["true"], intervalMs: 1000 } as const;
    for (const check of [alias, exec])
      expect(() => runner.put(check)).toThrow(expect.objectContaining({ code: "HEALTH_INVALID_CHECK" }));
    const withEngine = start({ exec: async () => ({ exitCode: 0 }) });
    expect(() => withEngine.put(exec)).toThrow(expect.objectContaining({ code: "HEALTH_SCRIPTS_DISABLED" }));
    expect(() => withEngine.put({ ...alias, service: "" })).toThrow(
      expect.objectContaining({ code: "HEALTH_INVALID_CHECK" }),
    );
  });
});

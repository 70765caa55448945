/** The queue of inspections, and the marks of processes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { Inspections } from "./inspections.ts";
import { isAlive, markProcess } from "./process-watch.ts";

function world(concurrency = 2) {
  const open: {
    readonly id: string;
    readonly finish: (value: unknown) => void;
    readonly fail: () => void;
  }[] = [];
  const results: string[] = [];
  const failures: unknown[] = [];
  const inspections = new Inspections({
    concurrency,
    pendingMax: 3,
    inspect: (id) =>
      new Promise((finish, reject) => open.push({ id, finish, fail: () => reject(new Error("no")) })),
    onResult: (id, value) => results.push(`${id} ${String(value)}`),
    onFailure: (error) => failures.push(error),
  });
  return { open, results, failures, inspections };
}

describe("inspections", () => {
  test("of one container are one at a time, and only the last wish counts", async () => {
    const { open, results, inspections } = world();
    inspections.want("a");
    inspections.want("a");
    inspections.want("a");
    expect(open).toHaveLength(1);
    open[0]?.finish("old");
    await expect.poll(() => open.length).toBe(2);
    open[1]?.finish("new");
    await inspections.idle();
    expect(results).toEqual(["a new"]);
  });

  test("are no more at a time than allowed, nor wait without end", () => {
    const { open, inspections } = world();
    expect(["a", "b", "c", "d", "e", "f"].map((id) => inspections.want(id))).toEqual([
      true,
      true,
      true,
      true,
      true,
      false,
    ]);
    expect(open.map(({ id }) => id)).toEqual(["a", "b"]);
  });

  test("are given up all together when one fails", async () => {
    const { open, results, failures, inspections } = world(1);
    inspections.want("a");
    inspections.want("b");
    open[0]?.fail();
    await inspections.idle();
    expect(failures).toHaveLength(1);
    expect(open).toHaveLength(1);
    expect(results).toEqual([]);
  });
});

describe("a process", () => {
  test("is recognised by its control group only, and is dead when it has ended", async () => {
    const child = spawn("sleep", ["60"], { stdio: "ignore" });
    const pid = child.pid ?? 0;
    const [group = ""] = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
    expect(markProcess(pid, "of-another-container")).toBeUndefined();
    const mark = markProcess(pid, group);
    expect(mark && isAlive(mark)).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
    expect(mark && isAlive(mark)).toBe(false);
  });

  test("of the same number that began at another time is another one", () => {
    const startTicks = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ")[19] ?? "";
    expect(isAlive({ pid: process.pid, startTicks })).toBe(true);
    expect(isAlive({ pid: process.pid, startTicks: "1" })).toBe(false);
    expect(markProcess(0, "")).toBeUndefined();
  });
});

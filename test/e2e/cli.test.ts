/** The command line as an operator meets it: with help, with mistakes, twice, without rights, and killed. */
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Background, type Finished, waitFor } from "../lab/command.ts";
import { heddleCommand } from "../lab/heddle.ts";
import type { Host } from "../lab/host.ts";
import { Lab } from "../lab/lab.ts";
import { difference } from "../lab/stage.ts";

const commands = [
  ...["up", "server", "agent", "down", "status", "network create", "network ls", "network rm", "ipam show"],
  ...[
    "node ls",
    "node forget",
    "node revoke",
    "ca show",
    "ca status",
    "ca rotate",
    "ca reset",
    "token create",
    "token ls",
    "token rm",
    "kv get",
    "kv put",
    "kv ls",
    "kv rm",
    "service ls",
    "dns",
    "cni install",
    "cni uninstall",
  ],
].map((command) => command.split(" "));
const stopMs = 2000;

let lab: Lab;
let host: Host;
let before: readonly string[];
let current: Background | undefined;

beforeAll(() => {
  lab = new Lab();
  host = lab.addHost("h1", 1);
  before = host.snapshot();
});
afterAll(() => lab?.dispose());

function heddle(...args: readonly string[]): Finished {
  return host.tryRun(host.heddle(...args));
}

/** The same as a user without any right. */
function asNobody(...args: readonly string[]): Finished {
  return host.tryRun(["setpriv", "--reuid", "65534", "--clear-groups", ...host.heddle(...args)]);
}

/** A command that runs a process, with this host's data. */
function running(...args: readonly string[]): Finished {
  return heddle(...args, "--data-dir", host.dataDir);
}

async function up(): Promise<Background> {
  const process = host.start(host.heddle("up", "--node", "h1", "--data-dir", host.dataDir, "--json"));
  await waitFor(
    "heddle up to be ready",
    () => process.stdout.includes("\n") || !process.running || undefined,
  );
  expect(process.running, process.stderr).toBe(true);
  current = process;
  return process;
}

describe("each command", () => {
  it("has help, refuses an unknown option with a sentence and status 2", async () => {
    await Promise.all(
      commands.map(async (command) => {
        const help = await host.runAsync(heddleCommand(...command, "--help"));
        expect({ command, status: help.status, text: help.stdout }).toMatchObject({
          command,
          status: 0,
          text: expect.stringContaining(`Usage: heddle ${command.join(" ")}`),
        });
        const wrong = await host.runAsync(host.heddle(...command, "--nonsense"));
        expect({ command, status: wrong.status, text: wrong.stderr }).toMatchObject({
          command,
          status: 2,
          text: expect.stringContaining("error: "),
        });
      }),
    );
  });

  it.each([
    [["nonsense"], "unknown command"],
    [["kv", "get"], "missing required argument 'key'"],
    [["up", "--log-level", "loud"], "Allowed choices"],
    [["up", "--dns", "nonsense"], "expected HOST:PORT"],
    [["up", "--vxlan-port", "x"], "whole number"],
    [["up", "--node", "a_b"], "--node"],
    [["up", "--advertise", "192.0.2.1"], "does not have that address"],
    [["server", "--store", "foo:"], 'use "memory", "sqlite:PATH"'],
    [["server", "--http", "0.0.0.0:8500"], "--insecure"],
  ])("%j is wrong use: status 2 and a sentence", (command, sentence) => {
    const dirs = ["up", "server"].includes(command[0] ?? "") ? ["--data-dir", host.dataDir] : [];
    expect(heddle(...command, ...dirs)).toMatchObject({
      status: 2,
      stdout: "",
      stderr: expect.stringContaining(sentence),
    });
    expect(readdirSync(host.runDir)).toEqual([]);
  });
});

describe("without a process", () => {
  it.each([
    [["status"]],
    [["network", "ls"]],
    [["ipam", "show"]],
    [["node", "ls"]],
    [["kv", "get", "a"]],
    [["service", "ls"]],
  ])("%j says how to start one: status 3", (command) => {
    expect(heddle(...command)).toMatchObject({
      status: 3,
      stderr: expect.stringContaining("start it with `heddle up`"),
    });
  });

  it("dns says that nobody listens: status 3", () => {
    expect(heddle("dns", "web.service.consul")).toMatchObject({
      status: 3,
      stderr: expect.stringContaining("127.0.0.1 port 8600"),
    });
  });

  it("down has nothing to do, with purge and without", () => {
    expect(running("down")).toMatchObject({ status: 0, stdout: expect.stringContaining("nothing to do") });
    expect(running("down", "--purge", "--dry-run")).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("nothing to do"),
    });
  });
});

describe("a port that is taken", () => {
  it("is named, and nothing is left behind", async () => {
    const squatter = host.start(["busybox", "httpd", "-f", "-p", "127.0.0.1:8500", "-h", host.dataDir]);
    await waitFor(
      "the port to be taken",
      () => host.run(["ss", "-Hltn"]).includes("127.0.0.1:8500") || undefined,
    );
    expect(running("up")).toMatchObject({ status: 1, stderr: expect.stringContaining("127.0.0.1:8500") });
    await squatter.killHard();
    expect(difference(before, host.snapshot())).toEqual([]);
    expect(readdirSync(host.runDir)).toEqual([]);
  });
});

describe("without rights", () => {
  it.each([
    [["up"]],
    [["server"]],
    [["cni", "install", "--bin-dir", "/opt/heddle-test", "--conf-dir", "/etc/heddle-test"]],
  ])("%j says to run it as root", (command) => {
    const dirs = command[0] === "cni" ? [] : ["--data-dir", host.dataDir];
    const { status, stderr } = asNobody(...command, ...dirs);
    expect({ status, stderr }).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/^heddle: .*run .*as root/m),
    });
    expect(stderr).not.toContain("    at ");
  });
});

describe("heddle up", () => {
  it("answers in JSON, tells what is not there by status 4, and refuses a second process", async () => {
    const process = await up();
    expect(JSON.parse(process.stdout)).toMatchObject({
      role: "up",
      pid: process.pid,
      readyMs: expect.any(Number),
    });
    expect(heddle("kv", "put", "greeting", "hello", "--json").status).toBe(0);
    const asked = [
      "status",
      "network ls",
      "ipam show",
      "node ls",
      "kv get greeting",
      "kv ls",
      "service ls",
      "dns h1.node.consul",
    ];
    for (const command of asked) {
      const { status, stdout } = heddle(...command.split(" "), "--json");
      expect({ command, status }).toEqual({ command, status: 0 });
      expect(() => JSON.parse(stdout) as unknown, command).not.toThrow();
    }
    for (const command of [
      "kv get nothing",
      "network rm nothing",
      "ipam show nothing",
      "dns nothing.service.consul",
    ])
      expect({ command, ...heddle(...command.split(" ")) }).toMatchObject({ command, status: 4 });
    expect(JSON.parse(heddle("kv", "get", "nothing", "--json").stderr)).toMatchObject({
      error: { code: "CLI_NOT_FOUND" },
    });
    expect(running("up")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("DAEMON_ALREADY_RUNNING"),
    });
    expect(asNobody("status")).toMatchObject({ status: 3, stderr: expect.stringContaining("root") });
    expect(asNobody("down")).toMatchObject({ status: 1, stderr: expect.stringContaining("CLI_PERMISSION") });
    expect(process.running).toBe(true);
  });

  it("killed with -9 starts again with everything it acknowledged", async () => {
    await current?.killHard();
    const process = await up();
    expect(heddle("kv", "get", "greeting").stdout).toBe("hello");
    const startMs = performance.now();
    process.kill("SIGTERM");
    expect(await process.ended).toBe(0);
    expect(performance.now() - startMs).toBeLessThan(stopMs);
    expect(readdirSync(host.runDir)).toEqual([]);
  });

  it("down --dry-run changes nothing; --purge leaves the host as it was, and can be repeated", async () => {
    const process = await up();
    const held = host.snapshot();
    const plan = running("down", "--purge", "--dry-run");
    expect(plan).toMatchObject({ status: 0, stdout: expect.stringContaining("stop heddle up") });
    expect(difference(held, host.snapshot())).toEqual([]);
    expect(process.running).toBe(true);

    expect(running("down", "--purge", "--json").status).toBe(0);
    expect(await process.ended).toBe(0);
    expect(difference(before, host.snapshot())).toEqual([]);
    expect(running("down", "--purge")).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("nothing to do"),
    });
  });
});

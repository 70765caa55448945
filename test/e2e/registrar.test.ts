/**
 * Containers of a real Docker Engine as services: an agent follows it while containers, engine and agent come and
 * go. Each test begins without containers.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { waitFor } from "../lab/command.ts";
import { Engine, image } from "../lab/engine.ts";
import { Fabric } from "../lab/fabric.ts";
import { Lab } from "../lab/lab.ts";

const lab = new Lab();
const host = lab.addHost("h1", 1);
const engine = new Engine(host);
const fabric = new Fabric(host);
const agentOptions = ["--docker", engine.socketPath];

beforeAll(async () => {
  await engine.start();
  engine.loadImage();
  await fabric.startServer();
  await fabric.startAgent(host, ...agentOptions);
});

afterEach(async () => {
  const ids = engine.docker("ps", "-aq").split("\n").filter(Boolean);
  if (ids.length > 0) engine.docker("rm", "-f", ...ids);
  await waitFor("no service to be left", () => Object.keys(services()).length === 0 || undefined);
});

afterAll(async () => {
  await engine.stop();
  await lab.dispose();
});

interface AgentService {
  readonly ID: string;
  readonly Service: string;
  readonly Address: string;
  readonly Port: number;
  readonly Tags: readonly string[];
}

function get(path: string): unknown {
  return JSON.parse(host.run(["curl", "-sf", `http://127.0.0.1:8500${path}`]));
}

function services(): Record<string, AgentService> {
  return get("/v1/agent/services") as Record<string, AgentService>;
}

/** `web:8080` of the instances that the catalog says are healthy. */
function passing(service: string): readonly string[] {
  const found = get(`/v1/health/service/${service}?passing`) as readonly { readonly Service: AgentService }[];
  return found.map(({ Service: { Address, Port } }) => `${Address}:${Port}`);
}

async function until(service: string, expected: readonly string[]): Promise<void> {
  await waitFor(`${service} at ${expected.join()}`, () => {
    expect(passing(service)).toEqual(expected);
    return true;
  });
}

/** Its process does not listen to SIGTERM, as a first process without a handler; an engine gives it a second. */
function container(name: string, ...options: readonly string[]): void {
  engine.docker("run", "-d", "--name", name, "--stop-timeout", "1", ...options, image, "/bin/sleep", "3600");
}

function status(): { readonly state: string; readonly summary: string } {
  const { components } = fabric.ask(host, "status") as {
    readonly components: readonly {
      readonly name: string;
      readonly state: string;
      readonly summary: string;
    }[];
  };
  const found = components.find(({ name }) => name === "docker");
  if (!found) throw new Error("the status has no component docker");
  return found;
}

function isRunning(name: string): boolean {
  return engine.docker("inspect", "-f", "{{.State.Running}}", name) === "true";
}

const web = ["-l", "heddle.service=web"];

describe("a container", () => {
  test("with a label is a service while it runs, and again when it is started again", async () => {
    container("web1", "-p", "8081:80", ...web, "-l", "heddle.tags=a,b");
    await until("web", [":8081"]);
    expect(Object.values(services())).toMatchObject([{ ID: "h1:web1:80", Tags: ["a", "b"] }]);
    engine.docker("kill", "web1");
    await until("web", []);
    engine.docker("start", "web1");
    await until("web", [":8081"]);
    engine.docker("restart", "-t", "0", "web1");
    await until("web", [":8081"]);
  });

  test("is withdrawn when Docker begins to stop it, before its process ends", async () => {
    container("web1", "-p", "8081:80", ...web);
    await until("web", [":8081"]);
    const stopping = host.runAsync([
      "docker",
      "-H",
      `unix://${engine.socketPath}`,
      "stop",
      "-t",
      "60",
      "web1",
    ]);
    await until("web", []);
    expect(isRunning("web1")).toBe(true);
    engine.docker("kill", "web1");
    await stopping;
    expect(isRunning("web1")).toBe(false);
  });

  test("stays at a signal that does not stop it", async () => {
    container("web1", "-p", "8081:80", ...web);
    await until("web", [":8081"]);
    engine.docker("kill", "-s", "USR1", "web1");
    engine.docker("kill", "-s", "HUP", "web1");
    container("web2", "-p", "8082:80", "-l", "heddle.service=other");
    await until("other", [":8082"]);
    await until("web", [":8081"]);
  });

  test("is no service while it is paused", async () => {
    container("web1", "-p", "8081:80", ...web);
    await until("web", [":8081"]);
    engine.docker("pause", "web1");
    await until("web", []);
    engine.docker("unpause", "web1");
    await until("web", [":8081"]);
  });

  test("with Registrator's variables has its name, id, tags and HTTP check", async () => {
    const variables = {
      SERVICE_NAME: "shop",
      SERVICE_ID: "shop-1",
      SERVICE_TAGS: "eu",
      SERVICE_80_CHECK_HTTP: "/up",
      SERVICE_CHECK_INTERVAL: "1s",
    };
    const options = Object.entries(variables).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
    const run = ["run", "-d", "--name", "shop1", "-p", "8083:80", ...options, image];
    engine.docker(...run, "/bin/sh", "-c", "mkdir -p /www; exec httpd -f -p 80 -h /www");
    await waitFor("the service", () => services()["shop-1"]);
    expect(services()["shop-1"]).toMatchObject({ Service: "shop", Port: 8083, Tags: ["eu"] });
    expect(passing("shop")).toEqual([]);
    engine.docker("exec", "shop1", "/bin/touch", "/www/up");
    await until("shop", [":8083"]);
  });

  test("with a HEALTHCHECK is as healthy as Docker says", async () => {
    const health = [
      "--health-cmd",
      "/bin/test -e /well",
      "--health-interval",
      "500ms",
      "--health-retries",
      "1",
    ];
    container("web1", "-p", "8081:80", ...web, ...health);
    await waitFor("the check", () => {
      const checks = get("/v1/agent/checks") as Record<string, { Status: string; Type: string }>;
      expect(Object.values(checks)).toMatchObject([{ Status: "critical", Type: "docker" }]);
      return true;
    });
    engine.docker("exec", "web1", "/bin/touch", "/well");
    await until("web", [":8081"]);
    engine.docker("exec", "web1", "/bin/rm", "/well");
    await until("web", []);
    engine.docker("exec", "web1", "/bin/touch", "/well");
    await until("web", [":8081"]);
  });

  test("with a label that cannot be read is reported, and harms no other", async () => {
    container("bad", "-p", "8081:80", ...web, "-l", "heddle.check.ttl=soon");
    container("good", "-p", "8082:80", ...web);
    await until("web", [":8082"]);
    await waitFor("the report", () => status().summary.includes("bad: read check.ttl") || undefined);
    expect(status().state).toBe("degraded");
    await waitFor(
      "the log to say so",
      () => fabric.agent(host).stderr.includes('check.ttl=\\"soon\\"') || undefined,
    );
  });

  test("cannot take the id of what somebody else registered", async () => {
    const body = JSON.stringify({ ID: "theirs", Name: "theirs", Port: 1 });
    host.run(["curl", "-sf", "-X", "PUT", "-d", body, "http://127.0.0.1:8500/v1/agent/service/register"]);
    container("web1", "-p", "8081:80", ...web, "-l", "heddle.id=theirs");
    await waitFor("the report", () => status().summary.includes("somebody else") || undefined);
    engine.docker("rm", "-f", "web1");
    expect(services()["theirs"]).toMatchObject({ Service: "theirs" });
    host.run(["curl", "-sf", "-X", "PUT", "http://127.0.0.1:8500/v1/agent/service/deregister/theirs"]);
  });

  test("that came with many others at once is a service like each of them", async () => {
    const names = Array.from({ length: 8 }, (_, at) => `web${at}`);
    await Promise.all(
      names.map((name, at) =>
        host.runAsync([
          "docker",
          "-H",
          `unix://${engine.socketPath}`,
          "run",
          "-d",
          "--name",
          name,
          "-p",
          `809${at}:80`,
          ...web,
          image,
          "/bin/sleep",
          "3600",
        ]),
      ),
    );
    await waitFor("all of them", () => passing("web").length === names.length || undefined);
    engine.docker("kill", ...names);
    await until("web", []);
  });
});

describe("no ghost", () => {
  test("is left by an agent that was killed while containers came and went", async () => {
    const body = JSON.stringify({ Name: "theirs", Port: 1 });
    host.run(["curl", "-sf", "-X", "PUT", "-d", body, "http://127.0.0.1:8500/v1/agent/service/register"]);
    container("web1", "-p", "8081:80", ...web);
    container("web2", "-p", "8082:80", ...web);
    await waitFor("both", () => passing("web").length === 2 || undefined);
    await fabric.agent(host).killHard();
    engine.docker("rm", "-f", "web1");
    container("web3", "-p", "8083:80", ...web);
    await fabric.startAgent(host, ...agentOptions);
    expect(Object.keys(services()).toSorted()).toEqual(["h1:web2:80", "h1:web3:80", "theirs"]);
    await waitFor("the catalog to say so", () => {
      expect(passing("web").toSorted()).toEqual([":8082", ":8083"]);
      return true;
    });
    host.run(["curl", "-sf", "-X", "PUT", "http://127.0.0.1:8500/v1/agent/service/deregister/theirs"]);
  });

  test("is left by an agent that was killed while Docker was stopping a container", async () => {
    container("web1", "-p", "8081:80", ...web);
    await until("web", [":8081"]);
    const stopping = host.runAsync([
      "docker",
      "-H",
      `unix://${engine.socketPath}`,
      "stop",
      "-t",
      "60",
      "web1",
    ]);
    await until("web", []);
    await fabric.agent(host).killHard();
    await fabric.startAgent(host, ...agentOptions);
    expect(isRunning("web1")).toBe(true);
    expect(services()).toEqual({});
    engine.docker("kill", "web1");
    await stopping;
  });

  test("is left by an engine that was killed, by containers that end without it, nor after its return", async () => {
    container("web1", "-p", "8081:80", ...web);
    container("web2", "-p", "8082:80", ...web);
    await waitFor("both", () => passing("web").length === 2 || undefined);
    const pid = engine.docker("inspect", "-f", "{{.State.Pid}}", "web1");
    await engine.killHard();
    await waitFor("the agent to notice", () => status().state === "degraded" || undefined);
    expect(passing("web")).toHaveLength(2);
    process.kill(Number(pid), "SIGKILL");
    await until("web", [":8082"]);
    await engine.start();
    await waitFor("the engine to be followed again", () => status().state === "ok" || undefined);
    await waitFor("what the catalog says to be what runs", () => {
      expect(passing("web")).toEqual(isRunning("web2") ? [":8082"] : []);
      return true;
    });
  });

  test("is registered by an agent that starts while the engine is away", async () => {
    container("web1", "-p", "8081:80", ...web);
    await until("web", [":8081"]);
    await engine.killHard();
    await fabric.agent(host).killHard();
    await fabric.startAgent(host, ...agentOptions);
    expect(services()).toEqual({});
    await engine.start();
    engine.docker("start", "web1");
    await until("web", [":8081"]);
  });

  test("is left by a server that was killed", async () => {
    container("web1", "-p", "8081:80", ...web);
    await until("web", [":8081"]);
    await fabric.server.killHard();
    engine.docker("rm", "-f", "web1");
    container("web2", "-p", "8082:80", ...web);
    await waitFor("the agent to know", () => services()["h1:web2:80"]);
    await fabric.startServer();
    await until("web", [":8082"]);
  });
});

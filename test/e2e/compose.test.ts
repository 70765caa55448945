/**
 * docker-compose.yml as a newcomer starts it on a real Docker Engine, with docker-compose 1.29 and with `docker compose`
 * where that plugin is there: built, brought up, asked through its load balancer, disturbed, taken down. Only the base
 * image is ours, as no registry can be reached.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { importBaseImage } from "../lab/base-image.ts";
import { tryRun, waitFor } from "../lab/command.ts";
import { Engine } from "../lab/engine.ts";
import { Lab } from "../lab/lab.ts";
import { projectRoot } from "../rules/source-files.ts";

const lab = new Lab();
const host = lab.addHost("h1", 1);
const engine = new Engine(host);
const base = "heddle-base:lab";

const hasPlugin = tryRun(["docker", "compose", "version"]).status === 0;
const programs = [["docker-compose"], ...(hasPlugin ? [["docker", "compose"]] : [])];

type Compose = (...args: readonly string[]) => string;

function composeWith(program: readonly string[]): Compose {
  const env = { DOCKER_HOST: `unix://${engine.socketPath}`, HEDDLE_BASE: base };
  const command = [...program, "-p", "demo", "-f", join(projectRoot, "docker-compose.yml")];
  return (...args) => host.run([...command, ...args], { env, timeoutMs: 240_000 });
}

function ask(path: string): string {
  return host.run(["curl", "-sf", "--max-time", "3", `http://127.0.0.1:8080${path}`]).trim();
}

/** Different answers of a few requests. */
function answers(path: string): readonly string[] {
  return [...new Set(Array.from({ length: 6 }, () => ask(path)))].toSorted();
}

async function until(path: string, expected: readonly string[]): Promise<void> {
  await waitFor(
    `${path} to answer ${expected.join(", ")}`,
    () => {
      expect(answers(path)).toEqual(expected);
      return true;
    },
    60_000,
  );
}

beforeAll(async () => {
  await engine.start();
  importBaseImage(engine.socketPath, base);
});

afterAll(async () => {
  await engine.stop();
  await lab.dispose();
});

describe.each(programs.map((program) => ({ name: program.join(" "), program })))(
  "the fabric of docker-compose.yml, by $name",
  ({ program }) => {
    const compose = composeWith(program);

    beforeAll(() => {
      try {
        compose("up", "-d", "--build");
      } catch (cause) {
        throw new Error(`${String(cause)}\n${compose("logs", "--tail", "40")}`, { cause });
      }
    }, 300_000);

    afterAll(() => {
      compose("down", "-v", "-t", "3");
    });

    test("answers through the load balancer with both instances of a service, and with the other service", async () => {
      await until("/", ["hello from node2", "hello from node3"]);
      await until("/api", ["the api on node3"]);
    });

    test("shows its services and nodes to who asks", () => {
      const services = compose("exec", "-T", "node1", "heddle", "service", "ls");
      expect(services).toContain("web");
      expect(services).toContain("api");
      const nodes = compose("exec", "-T", "node1", "heddle", "node", "ls");
      for (const node of ["node1", "node2", "node3"]) {
        expect(nodes).toContain(node);
        expect(compose("exec", "-T", node, "heddle", "status")).not.toContain("degraded");
      }
    });

    test("goes on with one instance when the other is stopped, and with both when it is back", async () => {
      compose("stop", "web2");
      await until("/", ["hello from node3"]);
      compose("start", "web2");
      await until("/", ["hello from node2", "hello from node3"]);
    });

    test("goes on with one instance when the node of the other is killed", async () => {
      compose("kill", "web2", "node2");
      await until("/", ["hello from node3"]);
    });
  },
);

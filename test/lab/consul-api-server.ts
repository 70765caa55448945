/**
 * A Consul HTTP API for tests: the one that `HEDDLE_TEST_CONSUL` names, or our own, `heddle server` over sqlite on
 * loopback of the test's network namespace.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Consul from "consul";
import { requireWorld } from "../world.ts";
import { Background, waitFor } from "./command.ts";
import { heddleCommand } from "./heddle.ts";

export interface ConsulApiServer {
  /** `HOST:PORT` */
  readonly address: string;
  readonly client: Consul;
  /** Ours: `kill -9`, and started again over what it left. */
  readonly restart?: () => Promise<void>;
  dispose(): Promise<void>;
}

export async function consulApiServer(): Promise<ConsulApiServer> {
  const given = process.env["HEDDLE_TEST_CONSUL"];
  if (given !== undefined) {
    const { host, hostname, port } = new URL(given);
    return {
      address: host,
      client: new Consul({ host: hostname, port: Number(port) }),
      dispose: async () => undefined,
    };
  }
  requireWorld();
  const directory = mkdtempSync(join(tmpdir(), "heddle-consul-"));
  const port = 8500;
  const client = new Consul({ host: "127.0.0.1", port });
  const start = async () => {
    const places = ["--data-dir", join(directory, "data"), "--run-dir", join(directory, "run")];
    const server = new Background(heddleCommand("server", ...places, "--http", `127.0.0.1:${port}`));
    await waitFor("heddle server to be ready", () => {
      if (!server.running) throw new Error(server.stderr);
      return server.stdout.includes("is ready") || undefined;
    });
    return server;
  };
  let server = await start();
  return {
    address: `127.0.0.1:${port}`,
    client,
    restart: async () => {
      await server.killHard();
      server = await start();
    },
    dispose: async () => {
      await server.killHard();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

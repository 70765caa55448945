/** Heddle on the hosts of a lab: real processes of the command line, started, watched, killed and asked. */
import { join } from "node:path";
import type { Background } from "./command.ts";
import { waitFor } from "./command.ts";
import type { Host } from "./host.ts";

const grpcPort = 8502;
const serverHttp = "127.0.0.1:8510";

export class Fabric {
  readonly #serverHost: Host;
  readonly #agents = new Map<Host, Background>();
  #server: Background | undefined;
  #joinToken: string | undefined;

  constructor(serverHost: Host) {
    this.#serverHost = serverHost;
  }

  /** Resolves when it answers. */
  async startServer(...options: readonly string[]): Promise<Background> {
    const host = this.#serverHost;
    const store = `sqlite:${join(host.dataDir, "store.sqlite")}`;
    const listen = ["--grpc", `${host.address}:${grpcPort}`, "--http", serverHttp];
    this.#server = host.start(
      host.heddle("server", "--store", store, ...listen, "--data-dir", host.dataDir, "--json", ...options),
    );
    await ready(this.#server);
    return this.#server;
  }

  /** Resolves when its plugins, DNS and HTTP answer. */
  async startAgent(host: Host, ...options: readonly string[]): Promise<Background> {
    const server = `${this.#serverHost.address}:${grpcPort}`;
    const token = this.#token();
    const agent = host.start(
      host.heddle(
        "agent",
        "--node",
        host.name,
        "--server",
        server,
        "--join-token",
        token,
        "--data-dir",
        host.dataDir,
        "--json",
        ...options,
      ),
    );
    this.#agents.set(host, agent);
    await ready(agent);
    return agent;
  }

  get server(): Background {
    if (!this.#server) throw new Error("the server was not started");
    return this.#server;
  }

  agent(host: Host): Background {
    const agent = this.#agents.get(host);
    if (!agent) throw new Error(`no agent was started on ${host.name}`);
    return agent;
  }

  /** Runs a command of Heddle's on a host; answers what it printed with --json. */
  ask(host: Host, ...args: readonly string[]): unknown {
    const text = host.run(host.heddle(...args, "--json"));
    return text.trim() === "" ? undefined : JSON.parse(text);
  }

  /** Lets every node in; made when the first agent starts. */
  #token(): string {
    if (this.#joinToken === undefined) {
      const made = this.ask(this.#serverHost, "token", "create", "--uses", "1000", "--ttl", "24h");
      this.#joinToken = (made as { token: string }).token;
    }
    return this.#joinToken;
  }

  /** What the processes wrote to standard error, for a failing test. */
  logs(): string {
    const all = [
      ["server", this.#server] as const,
      ...[...this.#agents].map(([host, agent]) => [host.name, agent] as const),
    ];
    return all.map(([name, process]) => `── ${name}\n${process?.stderr ?? ""}`).join("\n");
  }
}

/** A process says once on standard output what runs where. */
async function ready(process: Background): Promise<void> {
  const line = waitFor(
    `"${process.command}" to be ready`,
    () => process.stdout.includes("\n") || !process.running || undefined,
  );
  await line.catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${process.stderr}`);
  });
  if (!process.running) throw new Error(`"${process.command}" ended:\n${process.stderr}`);
}

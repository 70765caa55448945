/** The processes of the fan-out bench: the server, the crowds of agents, and a real agent; pinned where `taskset` is at hand. */
import { type ChildProcess, fork, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { Background, run, waitFor } from "../../lab/command.ts";
import { projectRoot } from "../../rules/source-files.ts";
import type { CrowdCommand } from "./crowd.ts";

const heddle = join(projectRoot, "cli/heddle");
const [port, httpPort, agentHttpPort] = [8502, 8500, 8501];
export const serverAddress = `127.0.0.1:${port}`;
const startPatienceMs = 60_000;

/** One core for the server, the others for whoever asks it. With one core, or without `taskset`, nobody is pinned. */
export const isPinned = cpus().length > 1 && spawnSync("taskset", ["--version"]).status === 0;

export interface ServerSetting {
  readonly directory: string;
  /** Nodes show certificates; otherwise all is plain text. */
  readonly tls: boolean;
  /** Where it writes a CPU profile when it ends. */
  readonly profileDir: string | undefined;
}

/** `heddle server` over sqlite. */
export async function startServer({ directory, tls, profileDir }: ServerSetting): Promise<Background> {
  const profile = profileDir === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileDir}` };
  const listens = [
    "--grpc",
    serverAddress,
    "--http",
    `127.0.0.1:${httpPort}`,
    ...(tls ? [] : ["--insecure"]),
  ];
  const command = [
    ...(isPinned ? ["taskset", "-c", "0"] : []),
    ...[heddle, "server", ...listens, "--log-level", "error", "--json"],
    ...["--run-dir", join(directory, "run"), "--data-dir", join(directory, "data")],
  ];
  const server = new Background(command, profile);
  await started("heddle server", server);
  return server;
}

/** A token that lets so many nodes in. */
export function createToken(directory: string, uses: number): string {
  const words = ["token", "create", "--uses", `${uses}`, "--ttl", "1h", "--run-dir", join(directory, "run")];
  const { token } = JSON.parse(run([heddle, ...words, "--json"])) as { readonly token: string };
  return token;
}

/** `heddle agent` as users start it. */
export async function startAgent(directory: string, token: string | undefined): Promise<Background> {
  const agent = new Background([
    ...[heddle, "agent", "--server", serverAddress, "--json"],
    ...(token === undefined ? ["--insecure"] : ["--join-token", token]),
    ...["--node", "real", "--advertise", "127.0.0.1", "--no-docker", "--upstream", "127.0.0.1:9"],
    ...["--http", `127.0.0.1:${agentHttpPort}`, "--log-level", "error"],
    ...["--run-dir", join(directory, "agent-run"), "--data-dir", join(directory, "agent-data")],
  ]);
  await started("heddle agent", agent);
  return agent;
}

/** What the real agent says of its connection and its views. */
export async function askAgent(target: string): Promise<unknown> {
  const response = await fetch(`http://127.0.0.1:${agentHttpPort}${target}`);
  return response.json();
}

function started(what: string, process: Background): Promise<true> {
  const isUp = () => {
    if (!process.running) throw new Error(`${what}: ${process.stderr}`);
    return process.stdout.includes("\n") || undefined;
  };
  return waitFor<true>(what, isUp, startPatienceMs);
}

export class Crowd {
  readonly #child: ChildProcess;
  readonly #answers = new Map<number, PromiseWithResolvers<unknown>>();
  #sent = 0;

  constructor() {
    this.#child = fork(join(import.meta.dirname, "crowd.ts"), {
      serialization: "advanced",
      // A collection of one crowd must not hold up what is measured at all of them.
      execArgv: ["--max-semi-space-size=32"],
    });
    if (isPinned) spawnSync("taskset", ["-cp", `1-${cpus().length - 1}`, `${this.#child.pid}`]);
    // Also when the bench is told to end: a crowd ends with its channel, too.
    process.once("exit", () => this.stop());
    this.#child.on("message", (message) => this.#receive(message as Answer));
    this.#child.once("exit", (status) => {
      for (const { reject } of this.#answers.values()) reject(new Error(`a crowd ended with ${status}`));
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  tell<T = void>(command: CrowdCommand): Promise<T> {
    const id = ++this.#sent;
    const answer = Promise.withResolvers<unknown>();
    this.#answers.set(id, answer);
    this.#child.send({ id, command });
    return answer.promise as Promise<T>;
  }

  stop(): void {
    this.#answers.clear();
    this.#child.kill("SIGKILL");
  }

  #receive({ id, value, error }: Answer): void {
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    if (error === undefined) answer?.resolve(value);
    else answer?.reject(new Error(error));
  }
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** Memory that a process has now, and had at most, in MiB. */
export function memoryOf(pid: number): { readonly rssMiB: number; readonly peakMiB: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1024;
  return { rssMiB: of("VmRSS"), peakMiB: of("VmHWM") };
}

/** User and system time of all threads, in seconds. @see proc_pid_stat(5) */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

const ticksPerSecond = 100;

/** Programs run by tests: to the end (`run`), or in the background until told (`start`). Output is kept, bounded. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { OutputFile } from "./output-file.ts";

/** Neither is a bound of what is tested: machines are busy. */
const [programMs, patienceMs] = [60_000, 60_000];

export interface Finished {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program and answers whatever its status was. */
export function tryRun(command: readonly string[], options: RunOptions = {}): Finished {
  const [program = "", ...args] = command;
  const result = spawnSync(program, args, {
    encoding: "utf8",
    input: options.input ?? "",
    timeout: options.timeoutMs ?? programMs,
    killSignal: "SIGKILL",
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, ...options.env },
  });
  if (result.error && result.status === null)
    throw new Error(`${command.join(" ")}: ${result.error.message}`);
  return { status: result.status ?? 128, stdout: result.stdout, stderr: result.stderr };
}

/** Runs a program that must succeed; answers its standard output. */
export function run(command: readonly string[], options: RunOptions = {}): string {
  const { status, stdout, stderr } = tryRun(command, options);
  if (status !== 0) throw new Error(`${command.join(" ")}: status ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** Runs a program to its end without blocking this process. */
export async function runAsync(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const background = new Background(command, options.env ?? {});
  const timer = setTimeout(() => background.kill("SIGKILL"), options.timeoutMs ?? programMs);
  const status = await background.ended;
  clearTimeout(timer);
  return { status, stdout: background.stdout, stderr: background.stderr };
}

/** A program in the background. */
export class Background {
  readonly #child: ChildProcess;
  readonly #stdout = new OutputFile();
  readonly #stderr = new OutputFile();
  readonly command: string;
  /** Exit status, 128 when a signal ended it. */
  readonly ended: Promise<number>;
  #running = true;

  constructor(command: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const [program = "", ...args] = command;
    this.command = command.join(" ");
    this.#child = spawn(program, args, {
      env: { ...process.env, ...env },
      stdio: ["ignore", this.#stdout.fd, this.#stderr.fd],
    });
    this.ended = new Promise((resolve) => {
      const end = (status: number) => {
        this.#running = false;
        for (const output of [this.#stdout, this.#stderr]) output.close();
        resolve(status);
      };
      this.#child.once("close", (status) => end(status ?? 128));
      this.#child.once("error", (error) => {
        this.#stderr.add(error.message);
        end(127);
      });
    });
  }

  get stdout(): string {
    return this.#stdout.text;
  }

  get stderr(): string {
    return this.#stderr.text;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get running(): boolean {
    return this.#running;
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#running) this.#child.kill(signal);
  }

  /** Asks it to end, and ends it after `patienceMs`. */
  async stop(patienceMs = 8_000): Promise<number> {
    this.kill("SIGTERM");
    const timer = setTimeout(() => this.kill("SIGKILL"), patienceMs);
    const status = await this.ended;
    clearTimeout(timer);
    return status;
  }

  /** Ends it without a warning and waits until it is gone. */
  async killHard(): Promise<void> {
    this.kill("SIGKILL");
    await this.ended;
  }
}

/** Between two probes; after one that took longer so long, that waiting takes half a core at most from what is waited for. */
const [pauseMinMs, pauseMaxMs] = [5, 250];

/** Asks until `probe` gives a value; fails with what was waited for and its last error. */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  timeoutMs = patienceMs,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  let last: unknown;
  while (performance.now() < endMs) {
    const startMs = performance.now();
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error;
    }
    const tookMs = performance.now() - startMs;
    const pauseMs = Math.min(Math.max(pauseMinMs, tookMs), pauseMaxMs);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  throw new Error(`waited ${timeoutMs} ms for ${what}${last instanceof Error ? `: ${last.message}` : ""}`);
}

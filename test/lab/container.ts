/** A container as its network sees it: a namespace with loopback up and busybox's programs inside. */
import { existsSync } from "node:fs";
import { Background, type Finished, run, runAsync, tryRun } from "./command.ts";

export class Container {
  /** Name of the namespace; also the container's id. */
  readonly id: string;
  readonly netns: string;
  readonly #processes: Background[] = [];

  constructor(id: string) {
    this.id = id;
    this.netns = `/run/netns/${id}`;
    run(["ip", "netns", "add", id]);
    this.run(["ip", "link", "set", "lo", "up"]);
  }

  /** How a runtime names it to a plugin. */
  get attachment(): { readonly containerId: string; readonly netns: string } {
    return { containerId: this.id, netns: this.netns };
  }

  run(command: readonly string[]): string {
    return run(["nsenter", `--net=${this.netns}`, ...command]);
  }

  tryRun(command: readonly string[]): Finished {
    return tryRun(["nsenter", `--net=${this.netns}`, ...command]);
  }

  runAsync(command: readonly string[], timeoutMs = 60_000): Promise<Finished> {
    return runAsync(["nsenter", `--net=${this.netns}`, ...command], { timeoutMs });
  }

  start(command: readonly string[]): Background {
    const process = new Background(["nsenter", `--net=${this.netns}`, ...command]);
    this.#processes.push(process);
    return process;
  }

  /** Serves an empty directory by HTTP on the port: 200 for `/`, as a health check wants it. */
  serveHttp(port: number, root: string): Background {
    return this.start(["busybox", "httpd", "-f", "-p", `${port}`, "-h", root]);
  }

  /** Ends what runs inside, without a warning. */
  async stopProcesses(): Promise<void> {
    for (const process of this.#processes) await process.killHard();
  }

  /** Ends the processes and removes the namespace, as a runtime does after DEL, or before it in bad weather. */
  async dispose(): Promise<void> {
    await this.stopProcesses();
    if (existsSync(this.netns)) tryRun(["ip", "netns", "delete", this.id]);
  }
}

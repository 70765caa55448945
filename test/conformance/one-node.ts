/**
 * `heddle up` as users start it, in the namespace of the calling test, for programs that know nothing of Heddle:
 * HTTP on 127.0.0.1:8500, DNS on 127.0.0.1:8600.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ApiClient } from "../../api/index.ts";
import { Background, waitFor } from "../lab/command.ts";
import { heddleCommand } from "../lab/heddle.ts";
import { requireWorld } from "../world.ts";

export const http = { host: "127.0.0.1", port: 8500 } as const;
export const dns = { host: "127.0.0.1", port: 8600 } as const;

export class OneNode {
  readonly directory = mkdtempSync(join(tmpdir(), "heddle-conformance-"));
  readonly #api = new ApiClient({ kind: "tcp", ...http });
  readonly #programs: Background[] = [];

  /** Named `n1`. `options` go to `heddle up`. */
  static async start(...options: readonly string[]): Promise<OneNode> {
    requireWorld();
    const node = new OneNode();
    const places = ["--run-dir", node.path("run/"), "--data-dir", node.path("data/")];
    const up = node.run(heddleCommand("up", "--node", "n1", "--no-docker", ...places, "--json", ...options));
    await node.until("heddle up", up, () => up.stdout.includes("\n"));
    return node;
  }

  /** Of a file below the test's directory; with a slash at its end of a directory, which is made. */
  path(name: string, content?: string): string {
    const path = join(this.directory, name);
    if (name.endsWith("/")) mkdirSync(path, { recursive: true });
    if (content !== undefined) writeFileSync(path, content);
    return path;
  }

  /** The command with a /etc/resolv.conf of its own. */
  withResolvConf(text: string, command: readonly string[]): string[] {
    const file = this.path("resolv.conf", text);
    const mounted = `mount --bind ${file} /etc/resolv.conf && exec "$@"`;
    return ["unshare", "--mount", "sh", "-c", mounted, "sh", ...command];
  }

  /** Starts a program that ends with the node. */
  run(command: readonly string[]): Background {
    const program = new Background(command);
    this.#programs.push(program);
    return program;
  }

  /** Waits for what a program brings about, as long as it runs. */
  async until(what: string, program: Background, probe: () => Promise<boolean> | boolean): Promise<void> {
    await waitFor(what, async () => !program.running || (await probe()) || undefined);
    if (!program.running) throw new Error(`"${program.command}" ended: ${program.stdout}${program.stderr}`);
  }

  async register(service: Readonly<Record<string, unknown>>): Promise<void> {
    await this.#api.send("PUT", "/v1/agent/service/register", JSON.stringify(service));
  }

  async deregister(id: string): Promise<void> {
    await this.#api.send("PUT", `/v1/agent/service/deregister/${id}`);
  }

  async dispose(): Promise<void> {
    for (const program of this.#programs.toReversed()) await program.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/**
 * The few calls of the Docker Engine API (docs.docker.com/reference/api/engine) that are needed here, over its unix
 * socket. Paths have no version: every engine answers them with the newest form that it knows, and what is
 * read has been in all of them. Answers are bounded in size and time; the event stream is bounded by the line.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import type { Clock } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import { type EngineEvent, parseEvent } from "./event.ts";
import { OutputFrames } from "./exec.ts";
import { type EngineLimits, engineLimits } from "./limits.ts";
import { lines } from "./lines.ts";
import { type EngineNetwork, parseNetwork } from "./network.ts";

/** Of containers: those that change what runs, how it is called, or how it feels. Of networks: who joins. */
const watchedEvents = [
  "start",
  "restart",
  "kill",
  "die",
  "stop",
  "destroy",
  "pause",
  "unpause",
  "rename",
  "health_status",
  "connect",
  "disconnect",
];

export interface EngineClientOptions {
  readonly socketPath: string;
  readonly clock: Clock;
  readonly limits?: Partial<EngineLimits>;
}

export class EngineClient {
  readonly socketPath: string;
  readonly #clock: Clock;
  readonly #limits: EngineLimits;
  readonly #agent: Agent;

  constructor({ socketPath, clock, limits }: EngineClientOptions) {
    this.socketPath = socketPath;
    this.#clock = clock;
    this.#limits = { ...engineLimits, ...limits };
    this.#agent = new Agent({ keepAlive: true, maxSockets: this.#limits.requestsMax });
  }

  /** The engine's id, which stays as long as its data directory does. @throws DOCKER_ENGINE_* */
  async id(signal?: AbortSignal): Promise<string> {
    const info = (await this.#getJson("/info", signal)) as { readonly ID?: unknown } | null;
    if (typeof info?.ID === "string" && info.ID !== "") return info.ID;
    throw unreadable("/info", "it has no ID");
  }

  /** Ids of the containers that run, paused ones included. @throws DOCKER_ENGINE_* */
  async running(signal?: AbortSignal): Promise<readonly string[]> {
    const list = await this.#getJson("/containers/json", signal);
    if (!Array.isArray(list)) throw unreadable("/containers/json", "it is no list");
    return list.flatMap((item: { readonly Id?: unknown } | null) =>
      typeof item?.Id === "string" ? [item.Id] : [],
    );
  }

  /** What the engine knows of a container; undefined when it has none of that id. @throws DOCKER_ENGINE_* */
  inspect(id: string, signal?: AbortSignal): Promise<unknown> {
    return this.#getJson(`/containers/${encodeURIComponent(id)}/json`, signal);
  }

  /** Networks whose driver or IPAM driver has the name. @throws DOCKER_ENGINE_* */
  async networks(driver: string, signal?: AbortSignal): Promise<readonly EngineNetwork[]> {
    const list = await this.#getJson("/networks", signal);
    if (!Array.isArray(list)) throw unreadable("/networks", "it is no list");
    const found: EngineNetwork[] = [];
    for (const item of list) {
      const listed = parseNetwork(item);
      if (!listed) throw unreadable("/networks", "it has an entry that is no network");
      if (listed.driver !== driver && listed.ipamDriver !== driver) continue;
      const path = `/networks/${encodeURIComponent(listed.id)}`;
      const inspection = await this.#getJson(path, signal);
      if (inspection === undefined) continue;
      const network = parseNetwork(inspection);
      if (!network) throw unreadable(path, "it is no network");
      found.push(network);
    }
    return found;
  }

  /**
   * Events from `sinceMs` (the engine's wall clock) on: those it still remembers, then each as it happens. Resolves
   * when the engine began to answer, so that whatever happens from then on is in the stream. The stream fails when
   * the connection ends, and ends when the signal aborts. @throws DOCKER_ENGINE_*
   */
  async events(sinceMs: number, signal: AbortSignal): Promise<AsyncGenerator<EngineEvent>> {
    const filters = JSON.stringify({ type: ["container", "network"], event: watchedEvents });
    const since = (sinceMs / 1000).toFixed(9);
    const path = `/events?since=${since}&filters=${encodeURIComponent(filters)}`;
    const response = await this.#get(path, signal, "stream");
    return this.#read(response, path, signal);
  }

  /**
   * Runs a program in a container that runs, and waits for its end. The signal ends the waiting: an engine has no
   * call that ends the program. @throws DOCKER_ENGINE_*
   */
  async exec(
    container: string,
    args: readonly string[],
    { signal, onOutput }: { readonly signal: AbortSignal; readonly onOutput: (bytes: Buffer) => void },
  ): Promise<{ readonly exitCode: number }> {
    const created = await this.#getJson(`/containers/${encodeURIComponent(container)}/exec`, signal, {
      AttachStdout: true,
      AttachStderr: true,
      Cmd: args,
    });
    const id = (created as { readonly Id?: unknown } | undefined)?.Id;
    if (typeof id !== "string")
      throw unreadable(`/containers/${container}/exec`, "there is no such container");
    const path = `/exec/${encodeURIComponent(id)}`;
    const stream = await this.#get(`${path}/start`, signal, "stream", { Detach: false, Tty: false });
    const frames = new OutputFrames(onOutput);
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) frames.push(chunk);
    } catch (cause) {
      throw this.#unreachable(`${path}/start`, cause);
    }
    const ended = (await this.#getJson(`${path}/json`, signal)) as
      | { readonly ExitCode?: unknown }
      | undefined;
    if (typeof ended?.ExitCode !== "number") throw unreadable(`${path}/json`, "it has no ExitCode");
    return { exitCode: ended.ExitCode };
  }

  close(): void {
    this.#agent.destroy();
  }

  async *#read(response: IncomingMessage, path: string, signal: AbortSignal): AsyncGenerator<EngineEvent> {
    try {
      for await (const line of lines(response, this.#limits.eventBytesMax)) {
        const event = parseEvent(line);
        if (event) yield event;
      }
    } catch (cause) {
      if (signal.aborted) return;
      if (cause instanceof FabricError) throw cause;
      throw this.#unreachable(path, cause);
    } finally {
      response.destroy();
    }
    if (!signal.aborted) throw this.#unreachable(path, undefined);
  }

  /** With `body`: by POST. */
  async #getJson(path: string, signal: AbortSignal | undefined, body?: object): Promise<unknown> {
    const response = await this.#get(path, signal, "answer", body);
    if (response.statusCode === 404) {
      response.resume();
      return undefined;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > this.#limits.bodyBytesMax)
          throw unreadable(path, `it is longer than ${this.#limits.bodyBytesMax} bytes`);
        chunks.push(chunk);
      }
    } catch (cause) {
      throw cause instanceof FabricError ? cause : this.#unreachable(path, cause);
    }
    try {
      return JSON.parse(Buffer.concat(chunks).toString()) as unknown;
    } catch (cause) {
      throw unreadable(path, "it is no JSON", cause);
    }
  }

  /** Answers once the head of the response is there. An answer must then be whole within the same time, a stream need not. */
  #get(
    path: string,
    outer: AbortSignal | undefined,
    kind: "answer" | "stream",
    body?: object,
  ): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const timeout = new AbortController();
      const signal = AbortSignal.any([timeout.signal, ...(outer ? [outer] : [])]);
      const timer = this.#clock.setTimer(this.#limits.requestTimeoutMs, () => timeout.abort());
      const req = request({
        socketPath: this.socketPath,
        path,
        method: body ? "POST" : "GET",
        headers: { host: "docker", ...(body && { "content-type": "application/json" }) },
        signal,
        ...(kind === "answer" && { agent: this.#agent }),
      });
      req.on("error", (cause) => {
        timer.cancel();
        reject(this.#unreachable(path, cause));
      });
      req.once("response", (response) => {
        if (kind === "stream") timer.cancel();
        else response.once("close", () => timer.cancel());
        const { statusCode = 0 } = response;
        if (statusCode === 200 || statusCode === 201 || (statusCode === 404 && kind === "answer"))
          return resolve(response);
        response.destroy();
        timer.cancel();
        reject(unreadable(path, `status ${statusCode}`));
      });
      req.end(body && JSON.stringify(body));
    });
  }

  #unreachable(path: string, cause: unknown): FabricError {
    const why = cause instanceof Error ? cause.message : "it closed the connection";
    return new FabricError(
      "DOCKER_ENGINE_UNREACHABLE",
      `ask the Docker Engine at ${this.socketPath} for ${path.split("?")[0]}: ${why}; start it, or name its socket with --docker`,
      { cause },
    );
  }
}

function unreadable(path: string, why: string, cause?: unknown): FabricError {
  return new FabricError(
    "DOCKER_ENGINE_ANSWER",
    `ask the Docker Engine for ${path.split("?")[0]}: ${why}; see the engine's log`,
    { cause },
  );
}

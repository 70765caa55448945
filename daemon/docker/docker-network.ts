/**
 * The Docker driver over this node: the fabric's networks as the `fabric` view has them, changes to the plan
 * through a server, addresses and interfaces from the dataplane.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { hostCidr } from "../../addr/index.ts";
import type { ComponentStatus } from "../../api/index.ts";
import type { Clock } from "../../clock/index.ts";
import type { ControlClient, ViewHandle } from "../../control/index.ts";
import { type ErrorCode, errorCodes, FabricError, isFabricError } from "../../errors/index.ts";
import type { Kernel } from "../../kernel/index.ts";
import { DockerDriver, driverName, type EngineClient, type FabricPlan } from "../../plugins/index.ts";
import type { Store } from "../../store/index.ts";
import { readJson, writeJson } from "../node/agent-journal.ts";
import type { Dataplane } from "../node/dataplane.ts";
import type { Log } from "../process/log.ts";
import { dockerSocket } from "../process/options.ts";
import type { Teardown } from "../process/teardown.ts";

/** Where engines look for plugins first; it exists where one runs or ran since boot. */
const engineDir = "/run/docker";
/** A change of the plan and its way back in the view; engines wait 2 s at most. */
const changeMs = 1700;
const dockerSocketsKey = "docker-sockets";

export interface DockerNetworkOptions {
  readonly dataplane: Dataplane;
  readonly client: Pick<ControlClient, "http">;
  readonly fabric: ViewHandle;
  readonly kernel: Kernel;
  readonly journal: Store;
  readonly clock: Clock;
  readonly runDir: string;
  /** Absent: where engines look, if there is one on this host. */
  readonly pluginDir?: string;
  /** Asked for what it forgot. Absent: no engine is. */
  readonly engine: EngineClient | undefined;
  readonly graceMs: number;
  readonly log: Log;
}

export interface DockerNetworkService {
  /** Answers engines. @throws DOCKER_SOCKET_IN_USE for a directory that was named */
  serve(teardown: Teardown): Promise<void>;
  component(): ComponentStatus;
}

/** Before the first reconciliation, so that no published port is missing in it. */
export async function openDockerNetwork(options: DockerNetworkOptions): Promise<DockerNetworkService> {
  const { dataplane, kernel, journal, clock, runDir, engine, graceMs, log } = options;
  const pluginDir = options.pluginDir ?? (existsSync(engineDir) ? join(engineDir, "plugins") : undefined);
  const sockets = [join(runDir, dockerSocket)];
  const driver = await DockerDriver.open({
    store: journal,
    plan: fabricPlan(options),
    addresses: dataplane.ipam,
    endpoints: dataplane.endpoints,
    ...(engine && { engine }),
    clock,
    limits: { graceMs, intervalMs: graceMs / 3 },
    hasLink: async (name) => (await kernel.link(name)) !== undefined,
    onPublished: () => dataplane.republish(),
    onAnswer: ({ method, durationMs, error }) => {
      if (error === undefined) log.debug({ method, durationMs }, "docker: call");
      else log.warn({ method, durationMs, error }, "docker: call failed");
    },
    onCollected: ({ errors, ...report }) => {
      log.info(report, "docker: removed what the engine forgot");
      for (const error of errors) log.warn({ error }, "docker: remove what the engine forgot");
    },
  });
  dataplane.publishFrom(() => driver.published());
  return {
    async serve(teardown) {
      teardown.add("Docker driver", () => driver.close());
      for (const path of sockets) await driver.listen(path);
      if (pluginDir !== undefined) {
        const path = join(pluginDir, `${driverName}.sock`);
        await rememberSocket(journal, path);
        try {
          await driver.listen(path);
          sockets.push(path);
        } catch (error) {
          // Found, not asked for: another agent of this host may have it.
          if (options.pluginDir !== undefined) throw error;
          log.warn(
            { error },
            "docker: engines of this host find the plugin only after `heddle docker install`",
          );
        }
      }
      driver.collector.start();
    },
    component: () => {
      const { networks, endpoints } = driver.journal;
      return {
        name: "docker-driver",
        state: "ok",
        summary: `${networks.list().length} Docker networks, ${endpoints.list().length} endpoints; ${sockets.join(", ")}`,
        details: { sockets, networks: networks.list(), endpoints: endpoints.list().length },
      };
    },
  };
}

/** Sockets outside of the run directory that a purge must look at. */
export async function rememberedSockets(journal: Store): Promise<readonly string[]> {
  return (await readJson<readonly string[]>(journal, dockerSocketsKey)) ?? [];
}

async function rememberSocket(journal: Store, path: string): Promise<void> {
  const known = await rememberedSockets(journal);
  if (!known.includes(path)) await writeJson(journal, dockerSocketsKey, [...known, path]);
}

function fabricPlan({ dataplane, client, fabric, clock }: DockerNetworkOptions): FabricPlan {
  const change = async (method: string, target: string, body: object | undefined, signal: AbortSignal) => {
    const headers = [{ name: "content-type", value: "application/json" }];
    const bytes = Buffer.from(body === undefined ? "" : JSON.stringify(body));
    const response = await client.http({ method, target, headers, body: bytes }, { signal });
    if (response.status >= 300) throw refusalOf(response.body);
  };
  return {
    networks: () => [...dataplane.view.networks.values()],
    network: (name) => dataplane.view.networks.get(name),
    isClaimed: (ip) => {
      const cidr = hostCidr(ip);
      return [...dataplane.view.prefixes.values()].some((held) =>
        held.some((prefix) => prefix.cidr === cidr),
      );
    },
    create: (spec) =>
      withinTime(clock, `create network "${spec.name}"`, async (signal) => {
        const made = change("POST", "/v1/heddle/networks", spec, signal).catch((error: unknown) => {
          if (!isFabricError(error, "IPAM_NETWORK_EXISTS")) throw error;
        });
        await Promise.all([made, seenNetwork(dataplane, fabric, spec.name, signal)]);
        const have = dataplane.view.networks.get(spec.name)?.pools.map(({ cidr }) => cidr) ?? [];
        if (spec.pools.some(({ cidr }) => !have.some((each) => each === cidr)))
          throw new FabricError(
            "IPAM_NETWORK_EXISTS",
            `create network "${spec.name}": there is one with the pools ${have.join(", ")}; use those, or another name`,
          );
      }),
    remove: (name) =>
      withinTime(clock, `remove network "${name}"`, async (signal) => {
        await dataplane.ipam.surrenderEmptyBlocks(name);
        await change("DELETE", `/v1/heddle/networks/${encodeURIComponent(name)}`, undefined, signal);
      }),
  };
}

/** Resolves when this node knows the network. */
function seenNetwork(
  dataplane: Dataplane,
  fabric: ViewHandle,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const look = () => {
      if (!dataplane.view.networks.has(name)) return;
      stop();
      resolve();
    };
    const stop = fabric.onChange(look);
    signal.addEventListener("abort", () => {
      stop();
      reject(signal.reason as Error);
    });
    look();
  });
}

async function withinTime<T>(
  clock: Clock,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const timer = clock.setTimer(changeMs, () =>
    controller.abort(
      new FabricError("IPAM_UNAVAILABLE", `${what}: no server answered within ${changeMs} ms; try again`),
    ),
  );
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    timer.cancel();
    // Ends what still waits, as after a refusal.
    controller.abort(new FabricError("IPAM_UNAVAILABLE", `${what}: it has ended`));
  }
}

/** The API's error object, as an error again. */
function refusalOf(body: Uint8Array): FabricError {
  const text = Buffer.from(body).toString();
  try {
    const { code, message } = JSON.parse(text) as { code: string; message: string };
    if (code in errorCodes) return new FabricError(code as ErrorCode, message);
  } catch {
    // falls through: the text itself says more than a missing brace
  }
  return new FabricError(
    "IPAM_UNAVAILABLE",
    `change the address plan: a server answered ${text.slice(0, 200)}`,
  );
}

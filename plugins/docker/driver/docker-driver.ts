/** The whole driver of one node: journal, both drivers, the sockets that engines call, the collector. */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../../clock/index.ts";
import { FabricError } from "../../../errors/index.ts";
import { hostInterfaceName, type PublishedPort } from "../../../overlay/index.ts";
import type { Store } from "../../../store/index.ts";
import type { EndpointService } from "../../endpoint/index.ts";
import { AddressDriver } from "./address-driver.ts";
import { Collector, type CollectorLimits, type CollectReport, type DockerEngine } from "./collector.ts";
import { type AnsweredDockerCall, DockerPlugin, type DockerPluginLimits } from "./docker-plugin.ts";
import type { DockerAddresses, FabricPlan } from "./fabric-plan.ts";
import { DockerJournal } from "./journal.ts";
import { endpointRef, NetworkDriver } from "./network-driver.ts";
import { PluginServer } from "./plugin-server.ts";
import { PoolDriver } from "./pool-driver.ts";
import { probePort } from "./port-bindings.ts";
import type { DockerEndpoint } from "./records.ts";

/** As Docker calls it: the name of the socket or spec file. */
export const driverName = "heddle";

export interface DockerDriverOptions {
  /** The agent's own store: the journal lies under `docker/`. */
  readonly store: Store;
  readonly plan: FabricPlan;
  readonly addresses: DockerAddresses;
  readonly endpoints: EndpointService;
  /** Absent: what the engine forgot is not looked for. */
  readonly engine?: DockerEngine;
  readonly clock: Clock;
  readonly hasLink: (name: string) => Promise<boolean>;
  /** Resolves when the packet filter has what `published` answers now. */
  readonly onPublished: () => Promise<void>;
  readonly onAnswer?: (call: AnsweredDockerCall) => void;
  readonly onCollected?: (report: CollectReport) => void;
  readonly limits?: Partial<DockerPluginLimits & CollectorLimits>;
}

export class DockerDriver {
  readonly journal: DockerJournal;
  readonly plugin: DockerPlugin;
  readonly collector: Collector;
  readonly #networks: NetworkDriver;
  readonly #servers: PluginServer[] = [];

  /** Reads the journal. @throws DOCKER_JOURNAL_INVALID */
  static async open(options: DockerDriverOptions): Promise<DockerDriver> {
    return new DockerDriver(options, await DockerJournal.open(options.store));
  }

  private constructor(options: DockerDriverOptions, journal: DockerJournal) {
    const { plan, endpoints, clock, engine, hasLink, onPublished, onAnswer, onCollected, limits } = options;
    const parts = { journal, plan, addresses: options.addresses, clock };
    const isDead = async (endpoint: DockerEndpoint) => {
      if (endpoint.sandbox === undefined) return endpoint.isForsaken === true;
      const { containerId, ifname } = endpointRef(endpoint.id);
      return !(await hasLink(hostInterfaceName(containerId, ifname)));
    };
    const networks = new NetworkDriver({ ...parts, endpoints, probe: probePort, onPublished });
    const addresses = new AddressDriver({
      ...parts,
      random: randomBytes,
      buryIfDead: async (endpoint) => {
        const dead = await isDead(endpoint);
        if (dead) await networks.forget(endpoint.id);
        return dead;
      },
    });
    this.journal = journal;
    this.#networks = networks;
    this.plugin = new DockerPlugin({
      networks,
      pools: new PoolDriver({ ...parts, random: randomBytes }),
      addresses,
      clock,
      ...(limits && { limits }),
      ...(onAnswer && { onAnswer }),
    });
    this.collector = new Collector({
      ...parts,
      networks,
      addresses,
      leases: options.addresses,
      ...(engine && { engine }),
      driver: driverName,
      isDead,
      onCollected: onCollected ?? (() => undefined),
      ...(limits && { limits }),
    });
  }

  /** Ports of the host that lead to containers: for the overlay. */
  published(): readonly PublishedPort[] {
    return this.#networks.published();
  }

  /** Answers engines at a further socket. @throws DOCKER_SOCKET_IN_USE */
  async listen(socketPath: string): Promise<void> {
    const answer = (method: string, body: Uint8Array) => this.plugin.answer(method, body);
    this.#servers.push(await PluginServer.listen({ socketPath, answer }));
  }

  /** Takes no further call and waits for those under way. @throws the first failure, after all were tried */
  async close(): Promise<void> {
    const outcomes = await Promise.allSettled([
      this.collector.stop(),
      ...this.#servers.map((server) => server.close()),
      this.plugin.idle(),
    ]);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected")
        throw new FabricError("DOCKER_SOCKET_IN_USE", "close the Docker driver: a socket did not close", {
          cause: outcome.reason,
        });
    }
  }
}

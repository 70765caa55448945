/**
 * DNS of a node: one listener for the host, and one on the containers' gateway address, which is the same on
 * every node and appears when the overlay has put it on loopback. The second may be missing for a while (its
 * address is not there yet, something else has port 53): it is tried again and never keeps the node from working.
 */
import { type Cidr, cidrContains, type Ip, isLoopback } from "../../addr/index.ts";
import type { ComponentStatus } from "../../api/index.ts";
import type { Clock, Timer } from "../../clock/index.ts";
import {
  type CatalogReader,
  type DnsServer,
  dnsServer,
  type ExplainQuestion,
  type Explanation,
  type ForwardOptions,
  type MesosServers,
  type NameServer,
  type Standpoint,
  type TlsOptions,
} from "../../dns/index.ts";
import { gateway4 } from "../../overlay/index.ts";
import { type HostPort, printHostPort } from "../process/host-port.ts";
import type { Log } from "../process/log.ts";
import type { AnswerOptions } from "../process/options.ts";
import type { Teardown } from "../process/teardown.ts";

export interface NamesOptions {
  readonly catalog: CatalogReader;
  /** How many names the node holds. */
  readonly heldNames: () => number;
  readonly node: string;
  readonly answers: AnswerOptions;
  /** Of the fabric, the connected one first. */
  readonly servers: MesosServers;
  readonly clock: Clock;
  readonly datacenter: string;
  readonly listen: HostPort;
  /** Absent: those of /etc/resolv.conf. */
  readonly upstream?: readonly NameServer[];
  readonly forwardZones: NonNullable<ForwardOptions["zones"]>;
  /** Of the host's listener and, on port 853, of the containers'. Absent: no DNS over TLS. */
  readonly dnsTls?: TlsOptions;
  /** Pools of the fabric: who is in one of them may ask for other names. */
  readonly pools: () => readonly Cidr[];
  /** Networks of whoever has the address. */
  readonly networksOf: (client: Ip) => readonly string[];
  /** Where the clients of a subnet are. */
  readonly whereIs: (subnet: Cidr) => Standpoint | undefined;
  readonly log: Log;
}

const gatewayListen = { ip: gateway4, port: 53 } as const;
const retryMs = 2000;

export class Names {
  readonly #options: NamesOptions;
  readonly #host: DnsServer;
  #gateway: DnsServer | undefined;
  #gatewayProblem = "not yet tried";
  #retry: Timer | undefined;
  #stopped = false;

  static async start(options: NamesOptions, teardown: Teardown): Promise<Names> {
    const names = new Names(options);
    await names.#host.start();
    teardown.add("DNS", () => names.#stop());
    return names;
  }

  private constructor(options: NamesOptions) {
    this.#options = options;
    this.#host = this.#server(options.listen);
  }

  /** By the listener of the host; the one of the containers answers the same. */
  explain(question: ExplainQuestion): Promise<Explanation> {
    return this.#host.explain(question);
  }

  components(): readonly ComponentStatus[] {
    const { listen, heldNames } = this.#options;
    const gateway = this.#gateway ? `, ${printHostPort(gatewayListen)} for containers` : "";
    return [
      {
        name: "dns",
        state: this.#gateway ? "ok" : "degraded",
        summary: `${printHostPort(listen)}${gateway}${this.#gateway ? "" : `; not for containers: ${this.#gatewayProblem}`}`,
        details: { names: heldNames(), host: this.#host.stats(), containers: this.#gateway?.stats() },
      },
    ];
  }

  #server(listen: HostPort): DnsServer {
    const {
      catalog,
      clock,
      datacenter,
      node,
      answers,
      servers,
      upstream,
      forwardZones,
      dnsTls,
      pools,
      networksOf,
      whereIs,
      log,
    } = this.#options;
    return dnsServer({
      listen: [{ address: listen.ip, port: listen.port }],
      catalog,
      datacenter,
      clock,
      reversePools: pools,
      networksOf,
      whereIs,
      health: { panicThreshold: answers.panicThreshold },
      dialects: answers.dialects,
      servers,
      subset: { instancesMax: answers.subsetMax, node },
      unlimited: pools,
      ...(dnsTls && { tls: dnsTls }),
      forward: {
        allowed: (client) => isLoopback(client) || pools().some((pool) => cidrContains(pool, client)),
        zones: forwardZones,
        ...(upstream && { servers: upstream }),
      },
      log: (level, message, details) => log[level](details, `dns: ${message}`),
    });
  }

  /** Listens on the containers' gateway address, now or as soon as that can be had. */
  async serveContainers(): Promise<void> {
    const server = this.#server(gatewayListen);
    try {
      await server.start();
      if (this.#stopped) return await server.stop();
      this.#gateway = server;
    } catch (error) {
      this.#gatewayProblem = error instanceof Error ? error.message : String(error);
      this.#retry = this.#options.clock.setTimer(retryMs, () => void this.serveContainers());
    }
  }

  async #stop(): Promise<void> {
    this.#stopped = true;
    this.#retry?.cancel();
    await Promise.all([this.#host.stop(), this.#gateway?.stop()]);
  }
}

/**
 * The DNS server: puts resolver, forwarder and listeners together. Starting is all or nothing: if one address
 * cannot be had, those already taken are given back. Stopping is graceful for TCP.
 */
import type { Ip } from "../addr/index.ts";
import { Counters, type DnsStats } from "./counters.ts";
import { UpstreamForwarder } from "./forward/index.ts";
import { type Endpoint, TcpListener, UdpListener } from "./listen/index.ts";
import { domainOf } from "./names/index.ts";
import { type DnsServerOptions, randomQueryId, type SettledOptions, settleOptions } from "./options.ts";
import { Resolver } from "./resolver/index.ts";
import { Exchange } from "./serve/index.ts";
import { upstreamServers } from "./upstreams.ts";
import { lowerName, nameLabels, typeName } from "./wire/index.ts";

export interface DnsServer {
  /** Listens. Answers the endpoints, with their ports where 0 was asked. @throws DNS_LISTEN_FAILED */
  start(): Promise<readonly Endpoint[]>;
  stop(): Promise<void>;
  stats(): DnsStats;
}

/** @throws DNS_INVALID_OPTION, ADDR_INVALID_NAME */
export function dnsServer(options: DnsServerOptions): DnsServer {
  return new Server(settleOptions(options));
}

class Server implements DnsServer {
  readonly #options: SettledOptions;
  readonly #counters = new Counters();
  readonly #forwarder: UpstreamForwarder | undefined;
  readonly #resolver: Resolver;
  readonly #exchange: Exchange;
  #endpoints: readonly Endpoint[] = [];
  #udp: UdpListener[] = [];
  #tcp: TcpListener[] = [];
  #unsubscribe: () => void = () => {};

  constructor(options: SettledOptions) {
    this.#options = options;
    this.#forwarder = options.forward && this.#makeForwarder(options.forward);
    this.#resolver = new Resolver({
      ...options,
      nameserverAddresses: () => options.listen.map(({ address }) => address),
    });
    this.#exchange = new Exchange({
      resolver: this.#resolver,
      forwarder: this.#forwarder,
      mayForward: options.forward?.allowed ?? (() => false),
      facts: { recursionAvailable: options.forward !== undefined, udpBytesMax: options.limits.udpBytesMax },
      clock: options.clock,
      random: options.random,
      replyTimeoutMs: options.limits.replyTimeoutMs,
      onResolved: () => {},
      onReply: (rcode) => this.#counters.noteReply(rcode),
      onFailure: (question, error) =>
        options.log("warn", "answer DNS question", {
          name: question.name,
          type: typeName(question.type),
          error,
        }),
    });
  }

  async start(): Promise<readonly Endpoint[]> {
    this.#unsubscribe = this.#options.catalog.onChange(() => this.#resolver.noteChange());
    try {
      const endpoints: Endpoint[] = [];
      for (const endpoint of this.#options.listen) endpoints.push(await this.#listen(endpoint));
      this.#endpoints = endpoints;
      return endpoints;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#unsubscribe();
    this.#unsubscribe = () => {};
    const listeners = [...this.#udp, ...this.#tcp];
    this.#udp = [];
    this.#tcp = [];
    await Promise.all(listeners.map((listener) => listener.stop()));
  }

  stats(): DnsStats {
    const { udp, tcp, ready, dropped } = this.#counters;
    const none = { asked: 0, cacheHits: 0, failed: 0, inflight: 0, cached: 0 };
    return {
      udp,
      tcp,
      ready,
      dropped,
      replies: this.#counters.replies(),
      tcpConnections: this.#tcp.reduce((sum, listener) => sum + listener.connections, 0),
      readyEntries: 0,
      forward: this.#forwarder?.stats() ?? none,
    };
  }

  /** Both transports on the same port, also where that is any free one. */
  async #listen(endpoint: Endpoint): Promise<Endpoint> {
    const { limits, clock } = this.#options;
    const counters = this.#counters;
    const onDropped = () => void counters.dropped++;
    const udp = new UdpListener(
      {
        ready: () => undefined,
        handle: (query, ip) => this.#handleUdp(query, ip),
        onDropped,
      },
      { inflightMax: limits.udpInflightMax, receiveBufferBytes: limits.udpReceiveBufferBytes },
    );
    const tcp = new TcpListener(
      { handle: (query, ip) => this.#handleTcp(query, ip), onDropped },
      {
        connectionsMax: limits.tcpConnectionsMax,
        inflightPerConnectionMax: limits.tcpInflightPerConnectionMax,
        idleTimeoutMs: limits.tcpIdleTimeoutMs,
        queryBytesMax: limits.tcpQueryBytesMax,
        unreadReplyBytesMax: limits.tcpUnreadReplyBytesMax,
      },
      clock,
    );
    const bound = await udp.start(endpoint);
    this.#udp.push(udp);
    await tcp.start(bound);
    this.#tcp.push(tcp);
    return bound;
  }

  #handleUdp(query: Uint8Array, ip: Ip): Promise<Uint8Array | undefined> {
    this.#counters.udp++;
    return this.#exchange.handle(query, { ip, transport: "udp" });
  }

  #handleTcp(query: Uint8Array, ip: Ip): Promise<Uint8Array | undefined> {
    this.#counters.tcp++;
    return this.#exchange.handle(query, { ip, transport: "tcp" });
  }

  #makeForwarder(forward: NonNullable<SettledOptions["forward"]>): UpstreamForwarder {
    const { clock, limits, domains } = this.#options;
    return new UpstreamForwarder({
      servers: upstreamServers({
        servers: forward.servers,
        resolvConf: forward.resolvConf,
        refreshMs: limits.resolvConfRefreshMs,
        clock,
        isSelf: ({ address, port }) =>
          this.#endpoints.some((own) => own.address === address && own.port === port),
      }),
      isOurs: (name) => domainOf(nameLabels(lowerName(name)), domains) !== undefined,
      clock,
      randomId: randomQueryId,
      mixCase: forward.mixCase,
      timeoutMs: limits.forwardTimeoutMs,
      triesMax: limits.forwardTriesMax,
      inflightMax: limits.forwardInflightMax,
      cache: {
        entriesMax: limits.forwardCacheEntriesMax,
        bytesMax: limits.forwardCacheBytesMax,
        ttlSecondsMax: limits.forwardTtlSecondsMax,
        negativeTtlSecondsMax: limits.forwardNegativeTtlSecondsMax,
      },
    });
  }
}

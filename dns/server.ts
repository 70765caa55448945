/**
 * The DNS server: puts resolver, forwarder and listeners together. Starting is all or nothing: if one address
 * cannot be had, those already taken are given back. Stopping is graceful for TCP.
 */
import { randomInt } from "node:crypto";
import type { Ip } from "../addr/index.ts";
import { Counters, type DnsStats } from "./counters.ts";
import { type ExplainParts, type ExplainQuestion, type Explanation, explain } from "./explain/index.ts";
import { ReadyAnswers, WorkerUdpListener } from "./fast/index.ts";
import type { UpstreamForwarder } from "./forward/index.ts";
import { Certificate, type Endpoint, TcpListener, UdpListener } from "./listen/index.ts";
import { makeForwarder } from "./make-forwarder.ts";
import { type DnsServerOptions, type SettledOptions, settleOptions } from "./options.ts";
import { Resolver, type ResolverOptions } from "./resolver/index.ts";
import {
  CookieJar,
  clientView,
  Exchange,
  exemptRanges,
  RateGate,
  type RateTerms,
  staleNotice,
} from "./serve/index.ts";
import { StubZones } from "./skydns/index.ts";
import { rcodes, typeName } from "./wire/index.ts";

export interface DnsServer {
  /** Listens. Answers the endpoints, with their ports where 0 was asked. @throws DNS_LISTEN_FAILED, DNS_TLS_FAILED */
  start(): Promise<readonly Endpoint[]>;
  /** Where it answers over TLS; empty without a certificate. */
  tlsEndpoints(): readonly Endpoint[];
  stop(): Promise<void>;
  stats(): DnsStats;
  /** The answer to a question, and why it is so; also while it does not listen. @throws DNS_INVALID_NAME */
  explain(question: ExplainQuestion): Promise<Explanation>;
}

/** How often another free port is tried when the first is taken on the other transport. */
const anyPortTriesMax = 8;

/** @throws DNS_INVALID_OPTION, ADDR_INVALID_NAME */
export function dnsServer(options: DnsServerOptions): DnsServer {
  return new Server(settleOptions(options));
}

class Server implements DnsServer {
  readonly #options: SettledOptions;
  readonly #counters = new Counters();
  readonly #forwarder: UpstreamForwarder | undefined;
  readonly #stubs: StubZones | undefined;
  readonly #resolver: Resolver;
  readonly #exchange: Exchange;
  readonly #resolverOptions: ResolverOptions;
  readonly #exchangeOptions: ExplainParts["exchange"];
  readonly #exempt: ReturnType<typeof exemptRanges>;
  readonly #gate: RateGate;
  #endpoints: readonly Endpoint[] = [];
  #tlsEndpoints: readonly Endpoint[] = [];
  readonly #ready: ReadyAnswers;
  #udp: (UdpListener | WorkerUdpListener)[] = [];
  #tcp: TcpListener[] = [];
  #unsubscribe: () => void = () => {};

  constructor(options: SettledOptions) {
    this.#options = options;
    this.#stubs = this.#makeStubs(options);
    this.#forwarder =
      options.forward &&
      makeForwarder(
        options,
        options.forward,
        ({ address, port }) => this.#endpoints.some((own) => own.address === address && own.port === port),
        this.#stubs,
      );
    this.#resolverOptions = {
      ...options,
      nameserverAddresses: () => options.listen.map(({ address }) => address),
    };
    this.#resolver = new Resolver(this.#resolverOptions);
    const { limits, clock } = options;
    const cookies = new CookieJar(options.cookies);
    this.#exempt = exemptRanges(options.unlimited, clock);
    this.#gate = new RateGate(this.#rate(), randomInt(0x7fffffff), clock, this.#exempt);
    this.#ready = new ReadyAnswers(this.#bounds(), options.random, { cookies, gate: this.#gate });
    this.#exchangeOptions = {
      forwarder: this.#forwarder,
      mayForward: options.forward?.allowed ?? (() => false),
      facts: { recursionAvailable: options.forward !== undefined, udpBytesMax: limits.udpBytesMax },
      cookies,
      gate: this.#gate,
      idleTimeoutMs: limits.tcpIdleTimeoutMs,
      staleSinceMs: () => options.catalog.staleSinceMs?.(),
      staleTtlSeconds: limits.staleTtlSecondsMax,
      clock,
      random: options.random,
      replyTimeoutMs: limits.replyTimeoutMs,
    };
    this.#exchange = new Exchange({
      ...this.#exchangeOptions,
      resolver: this.#resolver,
      keeper: this.#ready,
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
    this.#unsubscribe = this.#options.catalog.onChange((change) => {
      this.#resolver.noteChange();
      this.#ready.change(change);
      this.#noteAge();
    });
    this.#noteAge();
    this.#stubs?.start();
    try {
      const endpoints: Endpoint[] = [];
      for (const endpoint of this.#options.listen) endpoints.push(await this.#listen(endpoint));
      if (this.#options.tls) await this.#listenTls(this.#options.tls);
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
    this.#stubs?.stop();
    this.#forwarder?.close();
    const listeners = [...this.#udp, ...this.#tcp];
    this.#udp = [];
    this.#tcp = [];
    await Promise.all(listeners.map((listener) => listener.stop()));
  }

  /** Ready answers say it too when our own names may be out of date. */
  #noteAge(): void {
    const since = this.#options.catalog.staleSinceMs?.();
    this.#ready.setNotice(since === undefined ? undefined : staleNotice(since, rcodes.NOERROR));
  }

  explain(question: ExplainQuestion): Promise<Explanation> {
    return explain(question, {
      resolver: this.#resolverOptions,
      exchange: this.#exchangeOptions,
      isReady: (query) => this.#ready.has(query),
      clock: this.#options.clock,
    });
  }

  stats(): DnsStats {
    const { udp, tcp, ready, dropped } = this.#counters;
    const none = { asked: 0, cacheHits: 0, stale: 0, failed: 0, inflight: 0, cached: 0, upstreams: [] };
    const threads = this.#udp.flatMap((listener) => ("counts" in listener ? [listener.counts()] : []));
    const threadsReady = threads.reduce((sum, each) => sum + each.ready, 0);
    return {
      udp: udp + threadsReady,
      tcp,
      ready: ready + threadsReady,
      readyInThreads: threadsReady,
      dropped: threads.reduce((sum, each) => sum + each.dropped, dropped),
      limited: threads.reduce((sum, each) => sum + each.limited, this.#gate.slipped + this.#gate.dropped),
      replies: this.#counters.replies(),
      tcpConnections: this.#tcp.reduce((sum, listener) => sum + listener.connections, 0),
      readyEntries: this.#ready.size,
      forward: this.#forwarder?.stats() ?? none,
    };
  }

  async #listenTls({ port, ...files }: NonNullable<SettledOptions["tls"]>): Promise<void> {
    const { listen, limits, clock, log } = this.#options;
    const failed = (error: unknown) => log("error", "the new TLS certificate is not used", { error });
    const endpoints: Endpoint[] = [];
    for (const { address } of listen) {
      const certificate = new Certificate(files, limits.certificateRefreshMs, clock, failed);
      const listener = this.#tcpListener(certificate);
      endpoints.push(await listener.start({ address, port }));
      this.#tcp.push(listener);
    }
    this.#tlsEndpoints = endpoints;
  }

  tlsEndpoints(): readonly Endpoint[] {
    return this.#tlsEndpoints;
  }

  /** Both transports on the same port, also where that is any free one: then the next is tried if TCP has it taken. */
  async #listen(endpoint: Endpoint, triesLeft = anyPortTriesMax): Promise<Endpoint> {
    const udp = this.#udpListener();
    const bound = await udp.start(endpoint);
    const tcp = this.#tcpListener();
    try {
      await tcp.start(bound);
    } catch (error) {
      await udp.stop();
      if (endpoint.port === 0 && triesLeft > 0) return this.#listen(endpoint, triesLeft - 1);
      throw error;
    }
    this.#udp.push(udp);
    this.#tcp.push(tcp);
    return bound;
  }

  #udpListener(): UdpListener | WorkerUdpListener {
    const { limits, udp, clock, log } = this.#options;
    const counters = this.#counters;
    const handlers = {
      ready: (query: Uint8Array, ip: Ip) => {
        const reply = this.#ready.reply(query, clientView({ ip }, clock.wallMs()));
        if (reply) counters.ready++;
        if (reply) counters.udp++;
        return reply;
      },
      handle: (query: Uint8Array, ip: Ip) => {
        counters.udp++;
        return this.#exchange.handle(query, { ip, transport: "udp" });
      },
      onDropped: () => void counters.dropped++,
    };
    const udpLimits = {
      inflightMax: limits.udpInflightMax,
      receiveBufferBytes: limits.udpReceiveBufferBytes,
    };
    if (udp === "main") return new UdpListener(handlers, udpLimits);
    return new WorkerUdpListener(handlers, this.#ready, {
      bounds: this.#bounds(),
      limits: udpLimits,
      clock,
      cookies: this.#options.cookies,
      rate: this.#rate(),
      exempt: this.#exempt,
      onEnded: (error) => log("error", "the DNS thread ended; it is started again", { error }),
    });
  }

  #tcpListener(certificate?: Certificate): TcpListener {
    const { limits, clock } = this.#options;
    const counters = this.#counters;
    return new TcpListener(
      {
        handle: (query, ip) => {
          counters.tcp++;
          return this.#exchange.handle(query, { ip, transport: certificate ? "tls" : "tcp" });
        },
        onDropped: () => void counters.dropped++,
      },
      {
        connectionsMax: limits.tcpConnectionsMax,
        connectionsPerClientMax: limits.tcpConnectionsPerClientMax,
        inflightPerConnectionMax: limits.tcpInflightPerConnectionMax,
        idleTimeoutMs: limits.tcpIdleTimeoutMs,
        queryBytesMax: limits.tcpQueryBytesMax,
        unreadReplyBytesMax: limits.tcpUnreadReplyBytesMax,
      },
      clock,
      certificate,
    );
  }

  #rate(): RateTerms {
    const { limits } = this.#options;
    return {
      perSecond: limits.rateLimitPerSecond,
      slip: limits.rateLimitSlip,
      entriesMax: limits.rateLimitEntriesMax,
      prefix4Bits: limits.rateLimitPrefix4Bits,
      prefix6Bits: limits.rateLimitPrefix6Bits,
    };
  }

  /** What the names below a stub zone led to before is no answer any more. */
  #makeStubs({ stubDomain, catalog, clock, domains, dialects, limits, log }: SettledOptions) {
    if (stubDomain === undefined) return undefined;
    return new StubZones({
      catalog,
      clock,
      domain: stubDomain,
      domains: [...domains, ...dialects.map(({ domain }) => domain)],
      zonesMax: limits.stubZonesMax,
      serversMax: limits.stubServersMax,
      refreshMs: limits.stubRefreshMs,
      onChange: () => this.#ready.change({ kind: "all" }),
      onFailure: (error) => log("warn", "read SkyDNS's stub zones", { error }),
    });
  }

  #bounds() {
    const { readyEntriesMax, readyBytesMax, udpBytesMax } = this.#options.limits;
    return { entriesMax: readyEntriesMax, bytesMax: readyBytesMax, udpBytesMax };
  }
}

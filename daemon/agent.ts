/**
 * The agent: everything that runs on each node, wired. Starts headless: what the journal and the cached views
 * know is served before a server was reached, and goes on when none is.
 */
import { join } from "node:path";
import { type Ip, parseVni } from "../addr/index.ts";
import type { ApiHandler, ApiOptions, ComponentStatus, TrustBackend } from "../api/index.ts";
import { systemClock } from "../clock/index.ts";
import {
  AgentTrust,
  ControlClient,
  controlBlockSource,
  fabricView,
  joinNames,
  namesOfNode,
  relinquishTerm,
  storeViewCache,
  type TrustBook,
} from "../control/index.ts";
import { DampedCatalog, dampingDefaults, dnsLimitDefaults } from "../dns/index.ts";
import { openKernel } from "../kernel/index.ts";
import { EngineClient } from "../plugins/index.ts";
import type { Registry } from "../registry/index.ts";
import { rightsBeside, rightsOfServer } from "./access.ts";
import { followContainers } from "./docker/containers.ts";
import { openDockerNetwork } from "./docker/docker-network.ts";
import { agentIssuer, serverIssuer, serverNames } from "./http/https-certificate.ts";
import { apiHandlers, listenHttp } from "./http/listen-http.ts";
import { forwardTo } from "./link/forwarding.ts";
import { NodeRights } from "./link/node-rights.ts";
import {
  connectedOnce,
  heedAuthorities,
  knownServers,
  logControl,
  logTrust,
  registrationSource,
  seenByServer,
  serverComponent,
} from "./link/server-link.ts";
import { GuardedCatalog } from "./names/guarded-catalog.ts";
import { Names } from "./names/names.ts";
import { Standpoints } from "./names/standpoints.ts";
import { ViewCatalog } from "./names/view-catalog.ts";
import { openAgentJournal } from "./node/agent-journal.ts";
import { Dataplane } from "./node/dataplane.ts";
import { nodeIdentity, taggedAddresses } from "./node/node-identity.ts";
import { openRegistrations } from "./node/registrations.ts";
import { type AgentOptions, apiSockets } from "./process/options.ts";
import { startWhole, type Teardown } from "./process/teardown.ts";
import { version } from "./process/version.ts";

/** Of the fabric's VXLAN device. */
const fabricVni = parseVni(7272);
/** How long the start of a node waits for a server: one that knows its address plan is ready without, a new one has nothing to offer. */
const [headlessMs, firstServerMs] = [250, 3000];

export interface RunningAgent {
  readonly node: string;
  readonly connected: boolean;
  stop(): Promise<void>;
}

/** What `up` adds: a server in the same process. */
export interface LocalServer {
  readonly api: NonNullable<ApiOptions["server"]>;
  readonly trust: TrustBackend;
  readonly certificates: Pick<TrustBook, "issueServing" | "authorities">;
  readonly registry: Pick<Registry, "onChange">;
  components(): readonly ComponentStatus[];
}

/** @throws KERNEL_PERMISSION, STORE_LOCKED, and what its parts throw when they cannot start */
export function startAgent(options: AgentOptions): Promise<RunningAgent> {
  return startWhole((teardown) => wireAgent(options, teardown));
}

export async function wireAgent(
  options: AgentOptions,
  teardown: Teardown,
  server?: LocalServer,
): Promise<RunningAgent> {
  const { dataDir, runDir, datacenter, zone, vxlanPort, log } = options;
  const clock = systemClock;
  const startedAtMs = clock.wallMs();
  const kernel = openKernel();
  teardown.add("kernel", () => kernel.close());
  const identity = await nodeIdentity(kernel, options);
  const [address] = identity.underlay;
  const journal = await openAgentJournal(dataDir, clock);
  teardown.add("journal", () => journal.close());
  const engine =
    options.docker === undefined ? undefined : new EngineClient({ socketPath: options.docker, clock });
  teardown.add("Docker Engine", () => engine?.close());
  const serving = Promise.withResolvers<ApiHandler>();
  const registrations = await openRegistrations({
    node: identity.name,
    store: journal,
    clock,
    enableScripts: options.enableScripts,
    ask: async (request) => (await serving.promise)(request),
    ...(engine && { exec: engine.exec.bind(engine) }),
    log,
  });
  teardown.add("registrations", () => registrations.close());

  const cache = storeViewCache(journal);
  const identityDirectory = join(dataDir, "identity");
  const trust = options.insecure
    ? undefined
    : await AgentTrust.open({
        node: identity.name,
        directory: identityDirectory,
        servers: options.servers.filter((server) => !server.startsWith("unix:")),
        clock,
        ...(options.joinToken !== undefined && { token: options.joinToken }),
        log: (event) => logTrust(log, event),
      });
  if (trust) teardown.add("certificate", () => trust.close());
  const client: ControlClient = new ControlClient({
    servers: options.servers,
    ...(trust && { trust }),
    node: {
      ...identity,
      version,
      address,
      zone,
      vxlanPort,
      meta: {},
      taggedAddresses: taggedAddresses(identity.underlay),
    },
    clock,
    heldTerm: () => dataplane.term.held,
    statement: () => dataplane.statement(),
    onJoined: (welcome) => dataplane.joined(welcome),
    onRenewed: (term) => {
      dataplane.renewed(term).catch((error: unknown) => log.error({ error }, "renew the node's term"));
    },
    onEmptyBlocksWanted: (request) => {
      dataplane
        .surrender(request)
        .catch((error: unknown) => log.warn({ error, ...request }, "give empty blocks back"));
    },
    registrations: registrationSource(registrations.state),
    cache,
    log: (event) => logControl(log, event),
  });
  if (trust && options.servers.some((server) => !server.startsWith("unix:"))) heedAuthorities(trust, client);
  const fabric = client.subscribe(fabricView);
  const self = {
    name: identity.name,
    underlay: identity.underlay,
    vtepMac: identity.vtepMac,
    vni: fabricVni,
    vxlanPort,
    zone,
  };
  const source = controlBlockSource(client, fabric);
  const dataplane = await Dataplane.open(
    {
      kernel,
      journal,
      clock,
      self,
      source,
      fabric,
      relinquish: (epoch) => relinquishTerm(client, epoch),
      runDir,
      log,
    },
    teardown,
  );
  const containers =
    engine === undefined
      ? undefined
      : await followContainers(
          {
            engine,
            node: identity.name,
            nodeAddress: address,
            registry: registrations.backend,
            ipam: dataplane.ipam,
            clock,
            log,
          },
          teardown,
        );
  const docker = await openDockerNetwork({
    dataplane,
    client,
    fabric,
    kernel,
    journal,
    clock,
    runDir,
    engine,
    graceMs: options.dockerGraceMs,
    ...(options.dockerPluginDir !== undefined && { pluginDir: options.dockerPluginDir }),
    log,
  });
  teardown.add("control", () => client.close());

  const { dns: listen, upstream, forwardZones, dnsTls, answers } = options;
  const held = new ViewCatalog(client, clock, datacenter);
  teardown.add("names", () => held.close());
  const damping = { ...dampingDefaults, enabled: answers.flapDamping };
  const { aclToken = "" } = options;
  const asked = await NodeRights.open({
    ask: forwardTo(client),
    onConnected: (listener) => client.onState(({ connected }) => connected && listener()),
    clock,
    journal,
    ownToken: aclToken,
    log: (error) => log.warn({ error }, "follow what the agent's token allows"),
  });
  teardown.add("rights", () => asked.close());
  const guarded = new GuardedCatalog(
    held,
    server ? rightsBeside(server.api.acl, server.registry, aclToken) : asked,
  );
  const catalog = new DampedCatalog(guarded, clock, damping, dnsLimitDefaults.dampedServicesMax);
  teardown.add("flap damping", () => catalog.close());
  const standpoints = new Standpoints(() => dataplane.view);
  const networksOf = (client: Ip) => {
    const lease = dataplane.ipam.leaseAt(client);
    return lease ? [lease.network] : [];
  };
  const pools = () => dataplane.view.pools;
  const names = await Names.start(
    {
      catalog,
      heldNames: () => held.size,
      clock,
      datacenter,
      node: identity.name,
      answers,
      servers: () => knownServers(client.state.address, options.servers, address),
      listen,
      pools,
      networksOf,
      whereIs: (subnet) => standpoints.whereIs(subnet),
      log,
      forwardZones,
      ...(upstream && { upstream }),
      ...(dnsTls && { dnsTls }),
    },
    teardown,
  );

  const components = () => [
    ...(server?.components() ?? []),
    serverComponent(client),
    ...dataplane.components(),
    docker.component(),
    ...names.components(),
    ...(containers ? [containers()] : []),
  ];
  const api: ApiOptions = {
    self: {
      node: identity.name,
      id: identity.id,
      address,
      datacenter,
      version,
      server: server !== undefined,
      meta: {},
    },
    clock,
    agent: seenByServer(registrations.backend, client, clock),
    ...(server
      ? { server: server.api, rightsOf: rightsOfServer(server.api.acl, aclToken) }
      : { forward: forwardTo(client, aclToken), rightsOf: (secret: string) => asked.of(secret) }),
    local: {
      leases: async () => dataplane.ipam.leases(),
      explain: (question) => names.explain(question),
      purgePlan: async () => (await dataplane.reconciler.dryPurge()).words,
      status: async () => ({
        mode: server ? "up" : "agent",
        version,
        node: identity.name,
        datacenter,
        startedAtMs,
        components: components(),
      }),
    },
    onError: (error, { method, target }) => log.error({ error, method, target }, "request failed"),
  };
  const handlers = apiHandlers(api, server?.trust);
  serving.resolve(handlers.socket);
  const { name, underlay } = identity;
  const ofNode = namesOfNode(name, datacenter, underlay);
  const called = server ? joinNames(ofNode, serverNames(options)) : ofNode;
  const fabricIssuer = server
    ? serverIssuer(server.certificates, called)
    : agentIssuer(trust, options.servers, { directory: identityDirectory, mustName: underlay, client });
  const listenAs = { names: called.names, socket: apiSockets.agent, fabric: fabricIssuer };
  await listenHttp(handlers, options, listenAs, teardown);

  // Every port is taken: from here on the servers and the kernel hear of this node.
  client.start();
  if (!server) void asked.follow();
  await connectedOnce(client, fabric, clock, dataplane.worksAlone ? headlessMs : firstServerMs);
  await dataplane.serve(teardown);
  await docker.serve(teardown);
  await names.serveContainers();
  held.warm(await cache.list());
  return {
    node: identity.name,
    connected: client.state.connected,
    stop: async () => {
      for (const { name, error } of await teardown.run()) log.error({ error, name }, "stop");
    },
  };
}

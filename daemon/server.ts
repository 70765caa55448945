/**
 * The server: store, registry, address plan, control protocol and HTTP API, in the order in which each needs
 * the one before. It holds no truth of its own; killing it loses nothing.
 */
import { hostname } from "node:os";
import { join } from "node:path";
import { parseFqdn } from "../addr/index.ts";
import {
  type ApiOptions,
  type ComponentStatus,
  createApi,
  type MesosBackend,
  type TrustBackend,
} from "../api/index.ts";
import { systemClock } from "../clock/index.ts";
import { ControlServer, TrustBook } from "../control/index.ts";
import { isGathering, PoolAuthority, Recovery } from "../ipam/index.ts";
import { liveKey, Registry, RegistryWriter } from "../registry/index.ts";
import { isShared, openStore, type Store } from "../store/index.ts";
import { serverAcl } from "./access.ts";
import { serverIssuer, serverNames } from "./http/https-certificate.ts";
import { apiHandlers, listenHttp } from "./http/listen-http.ts";
import { serveForwarded, serveForwardedStreams } from "./link/forwarding.ts";
import { printHostPort } from "./process/host-port.ts";
import type { Log } from "./process/log.ts";
import { apiSockets, controlSocket, type ServerOptions } from "./process/options.ts";
import { startWhole, type Teardown } from "./process/teardown.ts";
import { version } from "./process/version.ts";
import { createDefaultNetwork } from "./servers/default-network.ts";
import { fabricBackend } from "./servers/fabric-backend.ts";
import { mesosBackend } from "./servers/mesos-backend.ts";
import { recoveryBackend, watchRecovery } from "./servers/recovery.ts";
import { runSingletons, type Singletons } from "./servers/singletons.ts";
import { authorityBackend, trustBackend } from "./servers/trust-backend.ts";
import { wholeBackup } from "./servers/whole-backup.ts";

export interface ServerCore {
  readonly store: Store;
  readonly registry: Registry;
  readonly writer: RegistryWriter;
  /** What its API is made of. */
  readonly api: NonNullable<ApiOptions["server"]>;
  readonly trust: TrustBackend;
  /** Of the authority, for HTTPS of this process. */
  readonly certificates: Pick<TrustBook, "issueServing" | "authorities">;
  readonly control: ControlServer;
  /** Where agents of this host connect. */
  readonly localAddress: string;
  components(): readonly ComponentStatus[];
}

/** Everything but the HTTP listeners, which `up` shares with its agent. */
export async function openServerCore(options: ServerOptions, teardown: Teardown): Promise<ServerCore> {
  const { datacenter, log, insecure, grpc } = options;
  const clock = systemClock;
  const store = await openStore(options.store, {
    clock,
    ...(options.storeAccess && { access: options.storeAccess }),
  });
  teardown.add("store", () => store.close());
  const ending = new AbortController();
  const registry = await Registry.open({ store, clock, datacenter, signal: ending.signal });
  teardown.add("registry", () => ending.abort());
  const writer = new RegistryWriter({ store, registry, clock });
  const pools: PoolAuthority = new PoolAuthority(store, clock, {
    liveKeyOf: liveKey,
    askForEmptyBlocks: (request) => control.askForEmptyBlocks(request),
  });
  await createDefaultNetwork(store, pools);
  const book = new TrustBook({ store, clock });
  const fabric = fabricBackend(pools, registry, writer, book);
  const mesos = mesosOf(options, registry);
  const recovery = recoveryBackend(new Recovery(store, clock), writer);
  const acl = serverAcl(store, registry, clock, options.acl);
  const api = {
    registry,
    writer,
    fabric,
    recovery,
    authorities: authorityBackend(book),
    ...(mesos && { mesos }),
    ...(acl && { acl }),
  };
  const forwarded = createApi({ self: selfOf(options, store), clock, server: api });
  const trust = trustBackend({
    book,
    registry,
    nowMs: () => clock.wallMs(),
    isGathering: () => isGathering(store),
    backup: () => wholeBackup(store, registry),
  });
  const control = new ControlServer({
    name: selfOf(options, store).node,
    version,
    registry,
    writer,
    pools,
    store,
    http: serveForwarded(forwarded),
    httpStream: serveForwardedStreams(forwarded),
    clock,
    isOnlyServer: !isShared(options.store),
    ...(insecure ? { insecure } : { trust: book }),
    log: (event) => logControl(log, event),
  });
  teardown.add("control", () => control.close());
  const recovering = await watchRecovery(store, clock, control);
  teardown.add("recovery", () => recovering.close());
  const localAddress = await control.listen(`unix:${join(options.runDir, controlSocket)}`);
  if (grpc) await control.listen(printHostPort(grpc));
  const { node: name } = selfOf(options, store);
  const shared = isShared(options.store);
  const singletons = runSingletons({ store, shared, registry, pools, name, clock, log });
  teardown.add("singletons", () => singletons.close());
  return {
    store,
    registry,
    writer,
    api,
    trust,
    certificates: book,
    control,
    localAddress,
    components: () => {
      const gathering = recovering.component();
      const parts = serverComponents(options.store, registry, control, singletons);
      return gathering ? [gathering, ...parts] : parts;
    },
  };
}

export interface RunningServer {
  readonly core: ServerCore;
  stop(): Promise<void>;
}

/** `heddle server`. @throws DAEMON_INSECURE, and what its parts throw when they cannot start */
export function startServer(options: ServerOptions): Promise<RunningServer> {
  return startWhole(async (teardown) => {
    const core = await openServerCore(options, teardown);
    const self = selfOf(options, core.store);
    const startedAtMs = systemClock.wallMs();
    const api: ApiOptions = {
      self,
      clock: systemClock,
      server: core.api,
      local: {
        leases: async () => [],
        purgePlan: async () => [],
        status: async () => ({
          mode: "server",
          version,
          node: self.node,
          datacenter: options.datacenter,
          startedAtMs,
          components: core.components(),
        }),
      },
      onError: (error, { method, target }) => options.log.error({ error, method, target }, "request failed"),
    };
    const called = serverNames(options);
    await listenHttp(
      apiHandlers(api, core.trust),
      options,
      {
        names: [self.node, ...called.names],
        socket: apiSockets.server,
        fabric: serverIssuer(core.certificates, called),
      },
      teardown,
    );
    return {
      core,
      stop: async () => {
        for (const { name, error } of await teardown.run()) options.log.error({ error, name }, "stop");
      },
    };
  });
}

/** A server is no node of the fabric: it goes by its host's name and the id of its store. */
function selfOf({ datacenter, http }: ServerOptions, { id }: Store) {
  const node = hostname().split(".")[0] ?? "server";
  return { node, id, address: http.ip, datacenter, version, server: true, meta: {} };
}

/** A server names itself: there is no other that it knows of. */
function mesosOf({ mesosDomain, http, grpc }: ServerOptions, registry: Registry): MesosBackend | undefined {
  if (mesosDomain === undefined) return undefined;
  const { ip, port } = grpc ?? http;
  return mesosBackend(registry, { domain: parseFqdn(mesosDomain), servers: () => [{ host: ip, port }] });
}

function serverComponents(
  engine: string,
  registry: Registry,
  control: ControlServer,
  singletons: Singletons,
): readonly ComponentStatus[] {
  const { following, lastContactMs, nodes, services, checks, keys, damaged, waiters } = registry.status();
  const { sessions, views, gate } = control.status();
  return [
    {
      name: "store",
      state: following ? "ok" : "degraded",
      summary: following ? engine : `${engine}: last heard ${lastContactMs} ms ago`,
      // Of several servers one reclaims blocks and ends sessions.
      details: { reclaims: singletons.working },
    },
    {
      name: "registry",
      state: damaged === 0 ? "ok" : "degraded",
      summary: `${nodes} nodes, ${services} services, ${checks} checks, ${keys} keys`,
      details: { revision: registry.index, waiters, damaged },
    },
    {
      name: "control",
      state: "ok",
      summary: `${sessions} agents connected`,
      details: { sessions, views, ...gate },
    },
  ];
}

function logControl(log: Log, event: { readonly kind: string }): void {
  const { kind, ...fields } = event;
  if (kind === "exposed")
    log.warn(fields, "control listens beyond loopback in plain text: use it on a network that you trust");
  else if (kind.endsWith("ailed")) log.warn(fields, `control: ${kind}`);
  else log.info(fields, `control: ${kind}`);
}

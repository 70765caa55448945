/**
 * The API of one process as a function from request to response. A process that holds the registry answers
 * everything itself; an agent answers `/v1/agent/…` and its own state, and forwards the rest to a server.
 *
 * Cost: one look-up in a radix tree a request; a query is parsed only when there is one.
 */
import createRouter, { type HTTPVersion, type Instance } from "find-my-way";
import type { Clock } from "../clock/index.ts";
import { FabricError } from "../errors/index.ts";
import { allRights, type RegistryReads, type RegistryWrites, type Rights } from "../registry/index.ts";
import { everybody, type RightsSource, type ServerAcl, secretOf } from "./access/access.ts";
import { guardedAgent, openAgent } from "./access/guarded-agent.ts";
import { GuardedReads } from "./access/guarded-reads.ts";
import { guardedWrites } from "./access/guarded-writes.ts";
import type { AgentBackend, SelfInfo } from "./agent/agent-backend.ts";
import type { ReadContext } from "./blocking.ts";
import { httpStatusOf, isRefusal } from "./error-status.ts";
import type {
  AuthorityBackend,
  FabricBackend,
  LocalBackend,
  RecoveryBackend,
  TrustBackend,
} from "./fabric-backend.ts";
import { discoverOperation } from "./heddle/discover.ts";
import { heartbeatMs, StreamCount } from "./heddle/event-stream.ts";
import { fabricOperations, localOperations } from "./heddle/fabric.ts";
import { kvOperations } from "./heddle/kv.ts";
import { documentOperation } from "./heddle/openapi.ts";
import { type Operation, operationRoutes } from "./heddle/operation.ts";
import { recoveryOperations } from "./heddle/recovery.ts";
import { rightsOperation } from "./heddle/rights.ts";
import { trustOperations } from "./heddle/trust.ts";
import { watchOperations } from "./heddle/watch.ts";
import type { MesosBackend } from "./mesos-backend.ts";
import { ParkedReads } from "./parked-reads.ts";
import { Query } from "./query.ts";
import { type ApiHandler, type ApiRequest, type ApiResponse, empty, jsonText, plainText } from "./request.ts";
import type { Call, Route } from "./route.ts";
import { aclRoutes } from "./routes/acl.ts";
import { agentRoutes, selfRoute } from "./routes/agent.ts";
import { agentHealthRoutes } from "./routes/agent-health.ts";
import { agentProcessRoutes } from "./routes/agent-process.ts";
import { catalogRoutes } from "./routes/catalog.ts";
import { catalogWriteRoutes } from "./routes/catalog-write.ts";
import { connectCaRoutes, forwardedCaRoute } from "./routes/connect-ca.ts";
import { coordinateRoutes } from "./routes/coordinate.ts";
import { eventRoutes } from "./routes/event.ts";
import { healthRoutes } from "./routes/health.ts";
import { kvRoutes } from "./routes/kv.ts";
import { maintenanceRoutes } from "./routes/maintenance.ts";
import { mesosRoutes } from "./routes/mesos.ts";
import { operatorRoutes } from "./routes/operator.ts";
import { queryRoutes } from "./routes/query.ts";
import { forwardedSessionRoute, sessionRoutes } from "./routes/session.ts";
import { snapshotRoute } from "./routes/snapshot.ts";
import { statusRoutes } from "./routes/status.ts";
import { txnRoute } from "./routes/txn.ts";
import { unsupportedRoutes } from "./routes/unsupported.ts";

export interface ApiOptions {
  readonly self: SelfInfo;
  readonly clock: Clock;
  readonly random?: () => number;
  /** On servers. */
  readonly server?: {
    readonly registry: RegistryReads;
    readonly writer: RegistryWrites;
    readonly fabric?: FabricBackend;
    readonly authorities?: AuthorityBackend;
    readonly recovery?: RecoveryBackend;
    /** At the socket of its own host only. */
    readonly trust?: TrustBackend;
    /** Event streams open at a time. */
    readonly streamsMax?: number;
    /** Mesos-DNS's HTTP interface, where it is switched on. */
    readonly mesos?: MesosBackend;
    /** Tokens are looked at. */
    readonly acl?: ServerAcl;
  };
  /** What the token of a request allows here; absent: as the server says. */
  readonly rightsOf?: RightsSource;
  /** Silence of an event stream until a sign of life. */
  readonly heartbeatEveryMs?: number;
  /** On agents. */
  readonly agent?: AgentBackend;
  readonly local?: LocalBackend;
  /** On agents without a server of their own: what is not answered here goes to a server. */
  readonly forward?: ApiHandler;
  /** Told what ended in status 500, with the request. */
  readonly onError?: (error: unknown, request: ApiRequest) => void;
}

type Router = Instance<HTTPVersion.V1>;

/** The answer never rejects, unless the request's signal aborted. */
export function createApi(options: ApiOptions): ApiHandler {
  // Made for the first request: a process has up to three of these, and starts before anybody asks.
  let made: Router | undefined;
  const router = () => (made ??= routerOf(options));
  const { rightsOf = serverRights(options.server?.acl) } = options;

  const answer = (request: ApiRequest): ApiResponse | Promise<ApiResponse> => {
    const { target } = request;
    const mark = target.indexOf("?");
    const path = mark < 0 ? target : target.slice(0, mark);
    const found = router().find("GET", path);
    if (!found) return notFound(options, request, path);
    const { methods } = found.store as Route;
    const handler = methods[request.method] ?? (request.method === "HEAD" ? methods["GET"] : undefined);
    if (!handler) return otherMethod(request.method, methods);
    const query = mark < 0 ? Query.none : new Query(target.slice(mark + 1));
    const { node } = options.self;
    const rest = found.params["*"] ?? "";
    if (rightsOf === everybody) return handler({ request, query, rest, node, rights: everybody });
    const secret = secretOf(request, query);
    const first = rightsOf(secret);
    if (first instanceof Promise)
      return first.then((rights) => handler({ request, query, rest, node, rights: () => rights }));
    return handler({ request, query, rest, node, rights: () => rightsOf(secret) as Rights });
  };

  const refuse = (error: unknown, request: ApiRequest): ApiResponse => {
    request.signal?.throwIfAborted();
    if (httpStatusOf(error) === 500 && !isRefusal(error)) options.onError?.(error, request);
    return errorResponse(error, request.target.startsWith("/v1/heddle/"));
  };

  return (request) =>
    new Promise<ApiResponse>((resolve) => resolve(answer(request))).catch((error: unknown) =>
      refuse(error, request),
    );
}

function routerOf(options: ApiOptions): Router {
  const router = createRouter({ maxParamLength: 16_384, querystringParser: () => ({}) });
  for (const route of routesOf(options)) router.on("GET", route.path, () => undefined, route);
  return router;
}

/** Every route of a process. */
export function routesOf(options: ApiOptions): readonly Route[] {
  const { self, clock, random = Math.random, server, agent } = options;
  const context = server && contextOf(options, server);
  const forwards = options.forward !== undefined && !server;
  const routes = [selfRoute(self)];
  if (agent) {
    const open = openAgent(agent);
    const agentOf = (call: Call) => {
      const rights = call.rights();
      return rights === allRights ? open : guardedAgent(agent, self.node, rights);
    };
    routes.push(...agentRoutes({ agentOf, clock, random }, self), ...agentHealthRoutes(agentOf, self));
    routes.push(...maintenanceRoutes(agentOf), ...agentProcessRoutes(agent, self, clock));
  }
  if (server && context) {
    routes.push(...catalogRoutes(context), ...healthRoutes(context), ...statusRoutes(context, self));
    routes.push(...kvRoutes(context), ...sessionRoutes(context, self));
    routes.push(txnRoute(context), ...catalogWriteRoutes(context));
    routes.push(...queryRoutes(context), ...coordinateRoutes(context));
    routes.push(snapshotRoute({ ...context, registry: server.registry, wallMs: () => clock.wallMs() }));
    routes.push(...eventRoutes(context), ...operatorRoutes(context, self));
  }
  if (!server && options.forward && agent)
    routes.push(forwardedSessionRoute(options.forward, self), forwardedCaRoute(options.forward));
  if (server?.authorities) routes.push(...connectCaRoutes(server.authorities));
  if (server?.acl && context) routes.push(...aclRoutes(context, server.acl, server.registry));
  if (server?.mesos) routes.push(...mesosRoutes(server.mesos, self));
  // One of Consul's paths may be served for another reason.
  const served = new Set(routes.map(({ path }) => path));
  routes.push(
    ...unsupportedRoutes(forwards, server?.acl !== undefined).filter(({ path }) => !served.has(path)),
  );
  return [...routes, ...operationRoutes(heddleOperations(options, context))];
}

/** Heddle's own: of the server, of this process, and the document of both where there is a server to speak for. */
export function heddleOperations(
  options: ApiOptions,
  context = options.server && contextOf(options, options.server),
): readonly Operation[] {
  const { self, clock, server, local, heartbeatEveryMs } = options;
  const operations = [...localOperations(local)];
  if (!server || !context) return local ? operations : [];
  const { registry, reads } = context;
  const streams = new StreamCount(server.streamsMax);
  operations.push(
    ...watchOperations({ registry, reads, clock, streams, heartbeatMs: heartbeatEveryMs ?? heartbeatMs }),
  );
  operations.push(...kvOperations(context), discoverOperation(context));
  if (server.fabric) operations.push(...fabricOperations(server.fabric));
  if (server.recovery) operations.push(...recoveryOperations(server.recovery));
  operations.push(
    ...trustOperations(server.trust, self.datacenter, () => clock.wallMs()),
    rightsOperation(context, server.acl),
  );
  return [...operations, documentOperation(operations, self.version)];
}

function contextOf(
  { self, clock, random = Math.random }: ApiOptions,
  { registry, writer, acl }: NonNullable<ApiOptions["server"]>,
): ReadContext {
  return {
    registry,
    reads: (call) => {
      const rights = call.rights();
      return rights === allRights ? registry : new GuardedReads(registry, rights);
    },
    writes: (call) => {
      const rights = call.rights();
      return rights === allRights ? writer : guardedWrites(writer, registry, rights);
    },
    defaultPolicy: acl?.defaultPolicy ?? "allow",
    parked: new ParkedReads(registry, clock, random),
    random,
    node: self.node,
  };
}

function serverRights(acl: ServerAcl | undefined): RightsSource {
  return acl ? (secret) => acl.rights.of(secret) : everybody;
}

/** What only a server knows although it is called the agent's. */
const serversAgentPaths = /^\/v1\/agent\/(members$|force-leave\/)/;

function notFound(
  options: ApiOptions,
  request: ApiRequest,
  path: string,
): ApiResponse | Promise<ApiResponse> {
  if (!isDecodable(path)) return plainText(400, "Invalid URL path: percent-encoding is damaged");
  const isServerPath = !path.startsWith("/v1/agent/") || serversAgentPaths.test(path);
  if (path.startsWith("/v1/") && isServerPath && !options.server) {
    if (options.forward) return options.forward(request);
    throw new FabricError("API_NO_SERVER", "this process has neither a registry nor a server to ask");
  }
  if (!isServerPath && !options.agent)
    throw new FabricError("API_NO_AGENT", `${path}: this process runs no agent; ask the agent of a node`);
  return plainText(404, "Invalid URL path: not a recognized HTTP API endpoint");
}

function otherMethod(method: string, methods: Route["methods"]): ApiResponse {
  const Allow = ["OPTIONS", ...Object.keys(methods)].join(",");
  if (method === "OPTIONS") return empty(200, { Allow });
  return plainText(405, `method ${method} not allowed`, { Allow });
}

/** Consul's routes answer text, Heddle's own JSON. What is not a FabricError is a defect and says nothing outside. */
function errorResponse(error: unknown, asJson: boolean): ApiResponse {
  const status = httpStatusOf(error);
  const known = error instanceof FabricError ? error : undefined;
  if (asJson) {
    const body = known ?? { code: "INTERNAL", message: "unexpected failure; see the log", details: {} };
    return jsonText(JSON.stringify(body), {}, status);
  }
  // Clients decide by the first words whether to try again.
  if (
    known?.code === "API_NO_SERVER" ||
    known?.code === "CONTROL_UNAVAILABLE" ||
    known?.code === "STORE_UNAVAILABLE"
  )
    return plainText(status, `No cluster leader: ${known.message}`);
  return plainText(status, known?.message ?? "Internal error: see the log");
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

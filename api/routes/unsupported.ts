/** Consul's routes that Heddle does not serve: said in words, so that nobody takes silence for an answer. */
import { FabricError } from "../../errors/index.ts";
import { plainText } from "../request.ts";
import type { Route, RouteHandler } from "../route.ts";

const paths: Readonly<Record<string, string>> = {
  "/v1/connect/*": "the service mesh",
  "/v1/health/ingress/*": "the service mesh",
  "/v1/catalog/gateway-services/*": "the service mesh",
  "/v1/discovery-chain/*": "the service mesh",
  "/v1/config": "configuration entries",
  "/v1/config/*": "configuration entries",
  "/v1/agent/join/*": "joining by gossip: agents are told their servers",
  "/v1/agent/leave": "leaving by gossip: use `heddle down`",
  "/v1/operator/*": "operator routes but raft/configuration and autopilot/health",
  "/v1/peering/*": "cluster peering",
};

/** Of what there is where tokens are looked at. */
const withoutAcl: Readonly<Record<string, string>> = {
  "/v1/acl/role": "roles: give tokens policies",
  "/v1/acl/role/*": "roles: give tokens policies",
  "/v1/acl/roles": "roles: give tokens policies",
  "/v1/acl/auth-method": "auth methods",
  "/v1/acl/auth-method/*": "auth methods",
  "/v1/acl/auth-methods": "auth methods",
  "/v1/acl/binding-rule": "auth methods",
  "/v1/acl/binding-rule/*": "auth methods",
  "/v1/acl/binding-rules": "auth methods",
  "/v1/acl/login": "auth methods",
  "/v1/acl/logout": "auth methods",
  "/v1/acl/templated-policies": "templated policies",
  "/v1/acl/templated-policy/*": "templated policies",
  "/v1/acl/replication": "replication: every server has the same tokens",
};

const methods = ["GET", "PUT", "POST", "DELETE"];

/** An agent that forwards leaves it to the server what that one supports; it speaks for itself alone. */
export function unsupportedRoutes(forwards: boolean, hasTokens: boolean): readonly Route[] {
  const known = Object.entries(paths).filter(([path]) => !forwards || path.startsWith("/v1/agent/"));
  const routes = known.map(([path, what]) => refused(path, what));
  if (forwards) return routes;
  if (hasTokens) return [...routes, ...Object.entries(withoutAcl).map(([path, what]) => refused(path, what))];
  // Clients look for exactly this when they find out whether tokens are needed.
  return [...routes, route("/v1/acl/*", () => plainText(401, "ACL support disabled"))];
}

function refused(path: string, what: string): Route {
  return route(path, () => {
    throw new FabricError("API_NOT_IMPLEMENTED", `Heddle does not support ${what}`);
  });
}

function route(path: string, handler: RouteHandler): Route {
  return { path, methods: Object.fromEntries(methods.map((method) => [method, handler])) };
}

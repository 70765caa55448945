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

const methods = ["GET", "PUT", "POST", "DELETE"];

/** An agent that forwards leaves it to the server what that one supports; it speaks for itself alone. */
export function unsupportedRoutes(forwards: boolean): readonly Route[] {
  const known = Object.entries(paths).filter(([path]) => !forwards || path.startsWith("/v1/agent/"));
  const routes = known.map(([path, what]) =>
    route(path, () => {
      throw new FabricError("API_NOT_IMPLEMENTED", `Heddle does not support ${what}`);
    }),
  );
  // Clients look for exactly this when they find out whether tokens are needed.
  return [...routes, route("/v1/acl/*", () => plainText(401, "ACL support disabled"))];
}

function route(path: string, handler: RouteHandler): Route {
  return { path, methods: Object.fromEntries(methods.map((method) => [method, handler])) };
}

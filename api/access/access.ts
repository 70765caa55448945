/**
 * Who asks, and what they may. Handlers of routes are not handed the registry: they are handed what the token of
 * their request may read and write of it, so that none of them can forget to ask.
 *
 * Rights are looked up anew for each answer of a request that waits: a token that is taken back ends there.
 */
import { type AclWriter, allRights, type Rights, type TokenRights } from "../../registry/index.ts";
import { Query } from "../query.ts";
import type { ApiRequest } from "../request.ts";

/** Of a server whose tokens are looked at; without, everybody may do everything. */
export interface ServerAcl {
  readonly rights: TokenRights;
  readonly writer: AclWriter;
  readonly defaultPolicy: "allow" | "deny";
}

/** The rights of who sent this secret; "" of who sent none. @throws REGISTRY_TOKEN_UNKNOWN */
export type RightsSource = (secret: string) => Rights | Promise<Rights>;

export const everybody = () => allRights;

/** Of a request that is not parsed yet. */
export function secretOfRequest(request: Pick<ApiRequest, "headers" | "target">): string {
  const mark = request.target.indexOf("?");
  return secretOf(request, mark < 0 ? Query.none : new Query(request.target.slice(mark + 1)));
}

/** In Consul's order: `?token=`, `X-Consul-Token`, `Authorization: Bearer`; "" without any. */
export function secretOf({ headers }: Pick<ApiRequest, "headers">, query: Query): string {
  const asked = query.text === "" ? "" : query.get("token");
  if (asked !== "") return asked;
  const header = headers["x-consul-token"];
  if (typeof header === "string" && header !== "") return header;
  const { authorization } = headers;
  return (typeof authorization === "string" && /^bearer +(\S+)$/i.exec(authorization)?.[1]) || "";
}

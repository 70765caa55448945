/**
 * Keeps web pages of others away from a port on loopback, where whoever connects is trusted. A browser on this host
 * connects for any page: by a name of the page's own that DNS suddenly gives 127.0.0.1 (DNS rebinding), or from
 * the page to ours, whose answer it may not read but whose request was carried out by then.
 *
 * So `Host` must be an address (those cannot be rebound), localhost, or a name that this process goes by; and a
 * request that the browser says comes from another place must come from one of those on this host. Programs that
 * are no browsers send neither `Origin` nor `Sec-Fetch-Site`, and call by names that they were told.
 *
 * Sources: RFC 9110 section 7.2 (Host), RFC 6761 section 6.3 (localhost), Fetch (Origin), Fetch Metadata.
 */
import { isIP } from "node:net";
import { isLoopback, parseIp } from "../addr/index.ts";
import { FabricError } from "../errors/index.ts";
import { httpStatusOf } from "./error-status.ts";
import { type ApiHandler, type ApiRequest, plainText } from "./request.ts";

/** `names`: what else than addresses and localhost the port is called by, in any case. */
export function guardHost(handle: ApiHandler, names: readonly string[]): ApiHandler {
  const known = new Set(names.map((name) => name.toLowerCase()));
  return (request) => {
    const refusal = refusalOf(request, known);
    if (!refusal) return handle(request);
    return Promise.resolve(plainText(httpStatusOf(refusal), refusal.message));
  };
}

function refusalOf({ headers }: ApiRequest, names: ReadonlySet<string>): FabricError | undefined {
  const { host, origin, "sec-fetch-site": site } = headers;
  if (typeof host === "string" && host !== "" && !isOurs(hostname(host), names)) {
    return new FabricError(
      "API_HOST_REFUSED",
      `The port was called by the name ${JSON.stringify(host)}, which it does not go by: call it by its address, or name it with --http-host`,
      { details: { host } },
    );
  }
  const isForeign = origin === undefined ? site === "cross-site" : !isHere(String(origin), host, names);
  if (!isForeign) return undefined;
  return new FabricError(
    "API_HOST_REFUSED",
    `A web page of ${origin === undefined ? "another site" : JSON.stringify(origin)} asked: pages of others may not use this port; --http-host names those that may`,
    { details: { origin: String(origin ?? "") } },
  );
}

/** A page of this host, or of the port itself. An address elsewhere is as foreign as a name. */
function isHere(origin: string, host: unknown, names: ReadonlySet<string>): boolean {
  const [, authority = ""] = /^https?:\/\/([^/]+)$/.exec(origin) ?? [];
  if (authority !== "" && authority === host) return true;
  const name = hostname(authority);
  return isIP(name) === 0 ? isOurs(name, names) : isLoopback(parseIp(name));
}

function isOurs(name: string, names: ReadonlySet<string>): boolean {
  return isIP(name) !== 0 || name === "localhost" || name.endsWith(".localhost") || names.has(name);
}

/** Without port, brackets and the dot at the end; in lower case. */
function hostname(authority: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d*)?$/.exec(authority)?.[1];
  return bracketed ?? authority.replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase();
}

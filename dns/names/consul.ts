/**
 * Consul's grammar of names, of the labels left of the domain:
 *
 *   [tag.]web.service[.dc]     web's instances; everything left of the name is one tag, dots included
 *   _web._tag[.service][.dc]   the same as RFC 2782 writes it; `tcp` means any instance, another label is a tag of
 *                              the instance or the name of one of its ports
 *   http.port.[tag.]web.service[.dc]    the port \`http\` of web's instances that have several
 *   _http._tcp.[tag.]web.service[.dc]   the same as Kubernetes writes it
 *   name.node[.dc]             a node; its name may have dots
 *   web.query[.dc]                what a prepared query finds; its name may have dots
 *   _web._tcp.query[.dc]          the same as RFC 2782 writes it; the tag means nothing
 *   0a000001.addr[.dc]         the address itself, 8 or 32 hexadecimal digits
 *   web.shop.docker[.dc]       a container by its name or alias in the network `shop`; the name may have dots
 *   ns                         the name server of the domain
 *
 * Read from the right: the first label that is a keyword splits the name from its locality, so a service or
 * node may be called `node`. The locality is nothing, a datacenter, or `<dc>.dc`; more labels name nothing.
 * Names between the domain and these, as `service.consul`, exist but are empty, since an NXDOMAIN for them
 * would deny everything below (RFC 8020).
 */
import { type Ip, ipFromBytes } from "../../addr/index.ts";

export type ConsulName =
  | { readonly kind: "apex" }
  | { readonly kind: "nameserver" }
  | {
      readonly kind: "service";
      readonly name: string;
      readonly tag?: string;
      /** Of its ports that have names. */
      readonly port?: string;
      /** A tag, or the name of a port. */
      readonly label?: string;
      readonly datacenter: string | undefined;
    }
  | { readonly kind: "query"; readonly name: string; readonly datacenter: string | undefined }
  | { readonly kind: "node"; readonly name: string; readonly datacenter: string | undefined }
  | { readonly kind: "address"; readonly ip: Ip; readonly datacenter: string | undefined }
  | {
      readonly kind: "container";
      readonly name: string;
      readonly network: string;
      readonly datacenter: string | undefined;
    }
  /** The name exists, without records. */
  | { readonly kind: "empty"; readonly datacenter: string | undefined }
  /** Nothing can have this name. */
  | { readonly kind: "none" };

/**
 * Keywords that we know of but do not serve still split a name: `connect`, `virtual` and `ingress` name what a mesh
 * has, which is not there, so nothing has such a name.
 */
const keywords = new Set(["service", "node", "addr", "docker", "query", "connect", "virtual", "ingress"]);
/** This RFC 2782 protocol label selects no tag. */
const anyTag = "tcp";
/** Between the name of a port and its service; as a tag it names what has such names below it. */
export const portLabel = "port";
const protocols = new Set(["_tcp", "_udp"]);

const none: ConsulName = { kind: "none" };

/** @param labels lower case, from the left, without the domain */
export function parseConsulName(labels: readonly string[]): ConsulName {
  if (labels.length === 0) return { kind: "apex" };
  const at = labels.findLastIndex((label) => keywords.has(label));
  if (at < 0) return parseWithoutKeyword(labels);
  const locality = parseLocality(labels.slice(at + 1));
  if (!locality) return none;
  const { datacenter } = locality;
  const parts = labels.slice(0, at);
  const keyword = labels[at];
  if (keyword === "service") return parseService(parts, datacenter);
  if (keyword === "docker") return parseContainer(parts, datacenter);
  if (keyword === "query") return parseQuery(parts, datacenter);
  if (keyword === "addr") return parseAddress(parts, datacenter);
  if (keyword !== "node") return none;
  return parts.length === 0
    ? { kind: "empty", datacenter }
    : { kind: "node", name: parts.join("."), datacenter };
}

function parseWithoutKeyword(labels: readonly string[]): ConsulName {
  const [first = "", second = ""] = labels;
  if (first.startsWith("_") && second.startsWith("_")) {
    const locality = parseLocality(labels.slice(2));
    return locality ? parseService([first, second], locality.datacenter) : none;
  }
  if (labels.length === 1 && first === "ns") return { kind: "nameserver" };
  const locality = parseLocality(labels);
  return locality ? { kind: "empty", datacenter: locality.datacenter } : none;
}

function parseService(parts: readonly string[], datacenter: string | undefined): ConsulName {
  const [first = "", second = ""] = parts;
  const name = parts.at(-1);
  if (name === undefined) return { kind: "empty", datacenter };
  if (parts.length === 2 && first.startsWith("_") && second.startsWith("_")) {
    const label = second.slice(1);
    return { kind: "service", name: first.slice(1), ...(label !== anyTag && { label }), datacenter };
  }
  if (parts.length === 1 && name.startsWith("_")) return { kind: "empty", datacenter };
  if (parts.length === 2 && protocols.has(first)) return { kind: "empty", datacenter };
  const port = parts.length < 3 ? undefined : portOf(first, second);
  const tag = parts.slice(port === undefined ? 0 : 2, -1).join(".");
  return {
    kind: "service",
    name,
    ...(tag !== "" && { tag }),
    ...(port !== undefined && { port }),
    datacenter,
  };
}

function portOf(first: string, second: string): string | undefined {
  if (second === portLabel) return first;
  return first.startsWith("_") && protocols.has(second) ? first.slice(1) : undefined;
}

function parseQuery(parts: readonly string[], datacenter: string | undefined): ConsulName {
  const [first = "", second = ""] = parts;
  if (parts.length === 0) return { kind: "empty", datacenter };
  const isSrvForm = parts.length === 2 && first.startsWith("_") && second.startsWith("_");
  const name = isSrvForm ? first.slice(1) : parts.join(".");
  return name === "" ? { kind: "empty", datacenter } : { kind: "query", name, datacenter };
}

function parseContainer(parts: readonly string[], datacenter: string | undefined): ConsulName {
  const network = parts.at(-1);
  if (network === undefined || parts.length < 2) return { kind: "empty", datacenter };
  return { kind: "container", name: parts.slice(0, -1).join("."), network, datacenter };
}

function parseAddress(parts: readonly string[], datacenter: string | undefined): ConsulName {
  const [digits, ...rest] = parts;
  if (digits === undefined) return { kind: "empty", datacenter };
  if (rest.length > 0 || !/^([0-9a-f]{8}|[0-9a-f]{32})$/.test(digits)) return none;
  return { kind: "address", ip: ipFromBytes(Buffer.from(digits, "hex")), datacenter };
}

/** Undefined when the labels are no locality. */
function parseLocality(labels: readonly string[]): { readonly datacenter: string | undefined } | undefined {
  const [datacenter, keyword] = labels;
  const plain = labels.length < 2;
  return plain || (labels.length === 2 && keyword === "dc") ? { datacenter } : undefined;
}

/** How a name was understood: the grammar, the domain, and the parts that the grammar sees in it. */
import { domainOf, parseConsulName, parseMesosName, parseReverseName, skyDnsPath } from "../names/index.ts";
import type { Dialect } from "../resolver/index.ts";
import { lowerName, nameLabels } from "../wire/index.ts";

export interface ParsedName {
  /** `consul`, `skydns`, `mesos`, `reverse`; `none`: no domain of ours. */
  readonly dialect: string;
  readonly domain: string;
  /** What the name stands for, in the words of its grammar. */
  readonly kind: string;
  readonly parts: Readonly<Record<string, string>>;
}

export function parsedName(
  name: string,
  domains: readonly string[],
  dialects: readonly Dialect[],
): ParsedName {
  const labels = nameLabels(lowerName(name));
  const domain = domainOf(labels, [...domains, ...dialects.map((each) => each.domain)]);
  if (domain === undefined) {
    const ip = parseReverseName(labels);
    if (ip !== undefined) return { dialect: "reverse", domain: "arpa", kind: "address", parts: { ip } };
    return { dialect: "none", domain: "", kind: "foreign", parts: {} };
  }
  const left = labels.slice(0, labels.length - domain.split(".").length);
  const dialect = dialects.find((each) => each.domain === domain)?.name ?? "consul";
  if (dialect === "skydns") {
    const { path, isWild } = skyDnsPath(labels);
    return { dialect, domain, kind: isWild ? "wildcard" : "subtree", parts: { path } };
  }
  const { kind, ...parts } = dialect === "mesos" ? parseMesosName(left) : parseConsulName(left);
  const said = Object.entries(parts).filter(([, value]) => value !== undefined);
  return {
    dialect,
    domain,
    kind,
    parts: Object.fromEntries(said.map(([part, value]) => [part, String(value)])),
  };
}

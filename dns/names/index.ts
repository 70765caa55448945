/** Grammars of names: which thing of the catalog a name asks for. Pure, and ignorant of what exists. */
export { type ConsulName, parseConsulName, portLabel } from "./consul.ts";
export { domainOf } from "./domain.ts";
export { type MesosName, type MesosProtocol, parseMesosName } from "./mesos.ts";
export { parseReverseName, reverseZone } from "./reverse.ts";
export { keyMatches, type SkyDnsPath, skyDnsName, skyDnsPath } from "./skydns.ts";

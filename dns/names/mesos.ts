/**
 * Mesos-DNS's grammar of names, of the labels left of the domain (mesos-dns/docs/naming.md). A framework may have
 * dots, a task may not:
 *
 *   web.marathon                      instances of the task `web` of the framework `marathon`
 *   web-1x2y3z-s4a5b6.marathon        one of them: its canonical name, target of SRV records
 *   _web._tcp.marathon                their ports; `_http._web._tcp.marathon`: those of one port name
 *   ….slave                           the same at the nodes' addresses
 *   marathon, _framework._tcp.marathon   the framework's own scheduler
 *   leader, master, master0           servers; _leader._tcp and _master._tcp with their ports
 *   slave, n1.slave                   all nodes, one node
 *   ns1                               the name server
 */
export type MesosName =
  | { readonly kind: "apex" }
  | { readonly kind: "nameserver" }
  /** `which`: the one that is talked to, all, or one of them by its place. */
  | { readonly kind: "servers"; readonly which: "leader" | "all" | number; readonly isService: boolean }
  | { readonly kind: "nodes" }
  | { readonly kind: "node"; readonly name: string }
  | { readonly kind: "scheduler"; readonly framework: string; readonly isService: boolean }
  | { readonly kind: "task"; readonly task: string; readonly framework: string; readonly onNode: boolean }
  | {
      readonly kind: "service";
      readonly task: string;
      readonly framework: string;
      readonly onNode: boolean;
      readonly protocol: MesosProtocol;
      readonly portName: string | undefined;
    }
  /** The name exists, without records. */
  | { readonly kind: "empty" };

export type MesosProtocol = "tcp" | "udp";

/** @param labels lower case, from the left, without the domain */
export function parseMesosName(labels: readonly string[]): MesosName {
  const onNode = labels.at(-1) === "slave";
  const left = onNode ? labels.slice(0, -1) : labels;
  const [first = "", second = "", third = ""] = left;
  if (left.length === 0) return onNode ? { kind: "nodes" } : { kind: "apex" };
  if (first.startsWith("_")) {
    if (isProtocol(second)) return parseService(first.slice(1), undefined, second, left.slice(2), onNode);
    if (second.startsWith("_") && isProtocol(third)) {
      return parseService(second.slice(1), first.slice(1), third, left.slice(3), onNode);
    }
    return { kind: "empty" };
  }
  if (left.length > 1) return { kind: "task", task: first, framework: left.slice(1).join("."), onNode };
  if (onNode) return { kind: "node", name: first };
  return first === "ns1" ? { kind: "nameserver" } : (parseServers(first, false) ?? scheduler(first, false));
}

function parseService(
  task: string,
  portName: string | undefined,
  protocolLabel: "_tcp" | "_udp",
  rest: readonly string[],
  onNode: boolean,
): MesosName {
  const protocol = protocolLabel === "_tcp" ? "tcp" : "udp";
  const framework = rest.join(".");
  if (framework === "") {
    const servers = onNode || portName !== undefined ? undefined : parseServers(task, true);
    return servers ?? { kind: "empty" };
  }
  if (task === "framework" && portName === undefined && !onNode) return scheduler(framework, true);
  return { kind: "service", task, framework, onNode, protocol, portName };
}

function parseServers(label: string, isService: boolean): MesosName | undefined {
  if (label === "leader") return { kind: "servers", which: "leader", isService };
  const numbered = /^master(\d{1,3})?$/.exec(label);
  if (!numbered) return undefined;
  const which = numbered[1] === undefined ? "all" : Number(numbered[1]);
  return { kind: "servers", which, isService };
}

function scheduler(framework: string, isService: boolean): MesosName {
  return { kind: "scheduler", framework, isService };
}

function isProtocol(label: string): label is "_tcp" | "_udp" {
  return label === "_tcp" || label === "_udp";
}

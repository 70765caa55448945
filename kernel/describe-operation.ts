/**
 * Operations in the words of ip(8), bridge(8) and sysctl(8), for `--dry-run` and for errors. The text may be
 * pasted into a shell when every link is named; a link known only by its index is written `if7`.
 */

import { familyOf } from "../addr/index.ts";
import type { Rule } from "./kernel.ts";
import type { KernelOperation, LinkChange, LinkRef, LinkSpec, RouteSpec, VethEnd } from "./operation.ts";
import { familyOfRoute, viaOtherFamily } from "./rows.ts";

type Words = readonly (string | number | undefined | false)[];

/** `nameOf` turns an index into a name where the caller knows it. */
export function describeOperation(
  operation: KernelOperation,
  nameOf: (index: number) => string | undefined = () => undefined,
): string {
  const name = (ref: LinkRef) => (typeof ref === "string" ? ref : (nameOf(ref) ?? `if${ref}`));
  return wordsOf(operation, name)
    .filter((word) => word !== undefined && word !== false && word !== "")
    .join(" ");
}

function wordsOf(operation: KernelOperation, name: (ref: LinkRef) => string): Words {
  switch (operation.op) {
    case "link.create":
      return ["ip link add", ...linkWords(operation.link, name)];
    case "link.change":
      return ["ip link set", name(operation.link), ...changeWords(operation.change, name)];
    case "link.delete":
      return ["ip link del", name(operation.link)];
    case "address.put":
    case "address.delete": {
      const verb = operation.op === "address.put" ? "replace" : "del";
      const six = familyOf(operation.ip) === 6 && verb === "replace";
      const address = `${operation.ip}/${operation.prefix}`;
      const scope = operation.scope ? ["scope", operation.scope] : [];
      return ["ip address", verb, address, "dev", name(operation.link), ...scope, six && "nodad"];
    }
    case "route.put":
      return [
        "ip",
        familyOfRoute(operation.route) === 6 && "-6",
        "route replace",
        ...routeWords(operation.route, name),
      ];
    case "route.delete":
      return [
        "ip",
        familyOfRoute(operation.route) === 6 && "-6",
        "route del",
        ...routeWords(operation.route, name),
      ];
    case "rule.put":
      return ["ip", operation.rule.family === 6 && "-6", "rule add", ...ruleWords(operation.rule)];
    case "rule.delete":
      return ["ip", operation.rule.family === 6 && "-6", "rule del", ...ruleWords(operation.rule)];
    case "neighbour.put":
    case "neighbour.delete": {
      const { ip, mac, permanent, proxy, link } = operation.neighbour;
      const target = [proxy && "proxy", ip];
      if (operation.op === "neighbour.delete") return ["ip neigh del", ...target, "dev", name(link)];
      const state = proxy ? [] : [mac && "lladdr", mac, "nud", permanent ? "permanent" : "reachable"];
      return ["ip neigh replace", ...target, ...state, "dev", name(link)];
    }
    case "fdb.put":
    case "fdb.delete": {
      const { mac, destination, permanent, link } = operation.entry;
      const where = destination ? ["dst", destination, "self"] : ["master"];
      const verb = operation.op === "fdb.put" ? "replace" : "del";
      const state = verb === "replace" && (permanent ? "permanent" : "dynamic");
      return ["bridge fdb", verb, mac, "dev", name(link), ...where, state];
    }
    case "sysctl.put":
      return ["sysctl -w", `net/${operation.path.join("/")}=${operation.value}`];
    default:
      return operation satisfies never;
  }
}

function linkWords(link: LinkSpec, name: (ref: LinkRef) => string): Words {
  const head: Words = ["name", ...endWords(link), "type", link.kind];
  switch (link.kind) {
    case "bridge":
      return head;
    case "veth":
      return [...head, "peer", "name", ...endWords(link.peer), link.peer.netns && `netns ${link.peer.netns}`];
    case "vxlan":
      return [
        ...head,
        ...["id", link.vni, "dstport", link.port, "local", link.local],
        link.underlayIndex !== undefined && `dev ${name(link.underlayIndex)}`,
        link.learning ? "learning" : "nolearning",
      ];
    default:
      return link satisfies never;
  }
}

function endWords(end: VethEnd & { readonly mtu?: number }): Words {
  return [
    end.name,
    end.up && "up",
    end.mac && `address ${end.mac}`,
    end.mtu !== undefined && `mtu ${end.mtu}`,
    end.alias && `alias ${end.alias}`,
  ];
}

function changeWords(change: LinkChange, name: (ref: LinkRef) => string): Words {
  return [
    change.netns !== undefined && `netns ${change.netns}`,
    change.name !== undefined && `name ${change.name}`,
    change.mac !== undefined && `address ${change.mac}`,
    change.mtu !== undefined && `mtu ${change.mtu}`,
    change.masterIndex !== undefined &&
      (change.masterIndex === 0 ? "nomaster" : `master ${name(change.masterIndex)}`),
    change.alias !== undefined && `alias ${JSON.stringify(change.alias)}`,
    change.up !== undefined && (change.up ? "up" : "down"),
  ];
}

function routeWords(route: RouteSpec, name: (ref: LinkRef) => string): Words {
  return [
    route.type !== "unicast" && route.type,
    route.to,
    route.via && `via ${viaOtherFamily(route) ? "inet6 " : ""}${route.via}`,
    route.link !== undefined && `dev ${name(route.link)}`,
    route.source && `src ${route.source}`,
    `proto ${route.protocol}`,
    route.table !== 254 && `table ${route.table}`,
    route.metric !== undefined && `metric ${route.metric}`,
    route.scope !== undefined && `scope ${route.scope}`,
    route.mtu !== undefined && `mtu ${route.mtu}`,
    route.onlink && "onlink",
  ];
}

function ruleWords(rule: Rule): Words {
  const mask = rule.fwmask === undefined ? "" : `/0x${rule.fwmask.toString(16)}`;
  return [
    `priority ${rule.priority}`,
    `from ${rule.from ?? "all"}`,
    rule.to && `to ${rule.to}`,
    rule.fwmark !== undefined && `fwmark 0x${rule.fwmark.toString(16)}${mask}`,
    `table ${rule.table}`,
    `protocol ${rule.protocol}`,
  ];
}
